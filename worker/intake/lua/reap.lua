-- A job whose lease ran out: its worker vanished.
-- crashes: how often a job may lose its worker
-- args: crashes
-- Answers: fresh, gone, cancelled, dead, queued.
local bad = wrong_core()
if bad then return bad end
if overwritten() then return {'gone', now, ''} end
local ends = redis.call('ZSCORE', k_active, id)
if not ends then return {'gone', now} end
if tonumber(ends) > now then return {'fresh', now} end
if get('state') ~= 'active' then
    redis.call('ZREM', k_active, id) -- the index was behind
    return {'gone', now}
end
local crashes = get_num('crashes') + 1
redis.call('HSET', k_job, 'crashes', num(crashes))
if redis.call('EXISTS', k_cancel) == 1 then
    settle('cancelled', 'cancelled', verdict('cancelled', 'cancelled'))
    return {'cancelled', now}
end
if crashes > tonumber(a_crashes) then
    settle('dead', 'worker_lost', verdict('dead', 'worker_lost',
        'its worker vanished ' .. num(crashes) .. ' times'))
    return {'dead', now}
end
local score = old_score()
local lost = get('worker')
forget_indexes()
redis.call('HSET', k_job, 'state', 'queued', 'score', score)
redis.call('HDEL', k_job, 'token', 'progress')
redis.call('ZADD', k_ready, score, id)
event('reaped', 'worker', lost, 'crashes', num(crashes))
wake()
return {'queued', now}
