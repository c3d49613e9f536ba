-- Gives a job back as if it had not been taken (drain, preemption).
-- args: nonce
-- Answers as finish.
local nonce = a_nonce
local bad = wrong_core()
if bad then return bad end
if overwritten() then return {'stale', now, ''} end
local found = get('state')
if found ~= 'active' or get('token') ~= nonce then
    if get('last') == nonce then return {'replay', now, get('laststate')} end
    return {'stale', now, found}
end
redis.call('HSET', k_job, 'last', nonce)
if redis.call('EXISTS', k_cancel) == 1 then
    redis.call('HSET', k_job, 'laststate', 'cancelled')
    settle('cancelled', 'cancelled', verdict('cancelled', 'cancelled'))
    return {'ok', now, 'cancelled'}
end
local score = old_score()
forget_indexes()
redis.call('HSET', k_job, 'state', 'queued', 'score', score, 'laststate', 'queued',
    'attempt', num(math.max(0, get_num('attempt') - 1)))
redis.call('HDEL', k_job, 'token', 'progress')
redis.call('ZADD', k_ready, score, id)
event('queued', 'released', '1')
wake()
return {'ok', now, 'queued'}
