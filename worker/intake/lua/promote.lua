-- A delayed or retrying job whose time has come is queued.
-- Answers: early (with its time), gone, cancelled, queued.
local bad = wrong_core()
if bad then return bad end
if overwritten() then return {'gone', now, ''} end
local due = redis.call('ZSCORE', k_delayed, id)
if not due then return {'gone', now} end
local state = get('state')
if state ~= 'delayed' and state ~= 'retrying' then
    redis.call('ZREM', k_delayed, id) -- the index was behind
    return {'gone', now}
end
if redis.call('EXISTS', k_cancel) == 1 then
    settle('cancelled', 'cancelled', verdict('cancelled', 'cancelled'))
    return {'cancelled', now}
end
if tonumber(due) > now then return {'early', now, num(due)} end
local score = ready_score()
redis.call('ZREM', k_delayed, id)
redis.call('HSET', k_job, 'state', 'queued', 'score', score)
redis.call('HDEL', k_job, 'due')
redis.call('ZADD', k_ready, score, id)
event('queued')
return {'queued', now}
