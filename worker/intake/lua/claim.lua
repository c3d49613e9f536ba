-- Lends a queued job to a worker, under a nonce that the worker made before: a
-- lost answer is asked for again with the same nonce and gives the same grant.
-- Also adopts: a job that Redis forgot it had lent (state queued after a
-- rollback) is lent again to the worker that still renders it.
-- crashes: how often a job may have lost its worker to be lent here, or
-- "": any (the worker holds nothing else)
-- args: nonce crashes
-- Answers: gone, cancelled, expired, broken, suspect (only for a worker that holds
-- nothing else), or
-- ok, now, payload, attempt, crashes, enqueued, expires, deadline.
local nonce = a_nonce
local bad = wrong(k_ready, 'zset', k_active, 'zset')
if bad then return bad end
if not read_job('state', 'token', 'payload', 'attempt', 'crashes', 'enq', 'expires', 'deadline',
    'fails') then
    return {'gone', now, ''}
end

local function grant(attempt)
    return {'ok', now, get('payload'), attempt, get('crashes'), get('enq'), get('expires'),
        get('deadline'), get('fails')}
end

local state = get('state')
if state == 'active' and get('token') == nonce then
    redis.call('ZADD', k_active, num(now + lease), id)
    return grant(get('attempt'))
end
if state ~= 'queued' then
    redis.call('ZREM', k_ready, id) -- the index was behind
    return {'gone', now, state}
end
local expires, deadline = get_num('expires'), get_num('deadline')
local cancelled = redis.call('EXISTS', k_cancel) == 1
local late = (expires > 0 and expires <= now) or (deadline > 0 and deadline <= now)
local broken = get('payload') == ''
if cancelled or late or broken then -- it ends here: the other indexes are written to as well
    bad = wrong_core()
    if bad then return bad end
end
if cancelled then
    settle('cancelled', 'cancelled', verdict('cancelled', 'cancelled'))
    return {'cancelled', now}
end
if late then
    settle('failed', 'expired', verdict('failed', 'expired', 'nobody could take it in time'))
    return {'expired', now}
end
if broken then
    settle('dead', 'host_error', verdict('dead', 'host_error',
        'its payload is gone from its hash in Redis'))
    return {'broken', now}
end
if get_num('crashes') >= (tonumber(a_crashes) or math.huge) then return {'suspect', now} end
redis.call('ZREM', k_ready, id)
redis.call('ZADD', k_active, num(now + lease), id)
local attempt = tostring(get_num('attempt') + 1)
redis.call('HSET', k_job, 'state', 'active', 'token', nonce, 'worker', worker,
    'attempt', attempt, 'start', now_text, 'beat', now_text)
if attempt ~= '1' then -- else there was nobody who could have left them
    redis.call('HDEL', k_job, 'progress', 'error')
end
event('active', 'attempt', attempt, 'worker', worker)
return grant(attempt)
