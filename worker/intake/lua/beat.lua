-- Renews a lease and passes on how far the attempt is.
-- progress: JSON or ""
-- args: nonce progress
-- Answers: ok, cancel, expired (both renewed: the worker stops it and says so),
-- stale with the state found.
local progress = a_progress
local bad = wrong_core()
if bad then return bad end
if overwritten() then return {'stale', now, ''} end
local state = get('state')
if state ~= 'active' or get('token') ~= a_nonce then return {'stale', now, state} end
redis.call('ZADD', k_active, num(now + lease), id)
redis.call('HSET', k_job, 'beat', now_text)
if progress ~= '' then
    redis.call('HSET', k_job, 'progress', progress)
    redis.pcall('XADD', k_log, 'MAXLEN', '~', 200, '*', 'progress', progress)
    redis.pcall('EXPIRE', k_log, result_ttl)
    redis.pcall('PUBLISH', channels .. id, '{"event":"progress","id":"' .. id .. '","progress":' ..
        progress .. '}')
end
if redis.call('EXISTS', k_cancel) == 1 then return {'cancel', now, state} end
local deadline = get_num('deadline')
if deadline > 0 and deadline <= now then return {'expired', now, state} end
return {'ok', now, state}
