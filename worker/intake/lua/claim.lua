-- Lends a queued job to a worker, under a nonce that the worker made before: a
-- lost answer is asked for again with the same nonce and gives the same grant.
-- Also adopts: a job that Redis forgot it had lent (state queued after a
-- rollback) is lent again to the worker that still renders it.
-- 5 nonce  6 worker  7 lease, ms  8 how often a job may have lost its worker to be
-- lent here, or "": any (the worker holds nothing else)
-- Answers: gone, cancelled, expired, broken, suspect (only for a worker that holds
-- nothing else), or
-- ok, now, payload, attempt, crashes, enqueued, expires, deadline.
local nonce, lease = ARGV[5], tonumber(ARGV[7])
local bad = wrong_core()
if bad then return bad end
if overwritten() then return {'gone', now, ''} end

local function grant()
    return {'ok', now, get('payload'), num(get('attempt')), num(get('crashes')),
        num(get('enq')), num(get('expires')), num(get('deadline')), num(get('fails'))}
end

local state = get('state')
if state == 'active' and get('token') == nonce then
    redis.call('ZADD', k.active, num(now + lease), id)
    return grant()
end
if state ~= 'queued' then
    redis.call('ZREM', k.ready, id) -- the index was behind
    return {'gone', now, state}
end
if redis.call('EXISTS', k.cancel) == 1 then
    settle('cancelled', 'cancelled', verdict('cancelled', 'cancelled'))
    return {'cancelled', now}
end
local expires, deadline = get_num('expires'), get_num('deadline')
if (expires > 0 and expires <= now) or (deadline > 0 and deadline <= now) then
    settle('failed', 'expired', verdict('failed', 'expired', 'nobody could take it in time'))
    return {'expired', now}
end
if get('payload') == '' then
    settle('dead', 'host_error', verdict('dead', 'host_error',
        'its payload is gone from its hash in Redis'))
    return {'broken', now}
end
if get_num('crashes') >= (tonumber(ARGV[8]) or math.huge) then return {'suspect', now} end
redis.call('ZREM', k.ready, id)
redis.call('ZADD', k.active, num(now + lease), id)
redis.call('HSET', k.job, 'state', 'active', 'token', nonce, 'worker', ARGV[6],
    'attempt', num(get_num('attempt') + 1), 'start', num(now), 'beat', num(now))
redis.call('HDEL', k.job, 'progress', 'error')
event('active', 'attempt', get('attempt'), 'worker', ARGV[6])
return grant()
