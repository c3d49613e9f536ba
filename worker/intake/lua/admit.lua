-- Takes the inbox's tail, which C has peeked at and parsed, to where it belongs.
-- Where the worker has room for it (it gave a nonce) and nobody is queued before
-- it, that is into this worker's hands: as claim.lua would, in one script.
-- sha1: of the text peeked at; what: wake|job|reject; due, expires, deadline: ms;
-- result, reason (JSON): of a refusal; most: the largest text that can have been
-- peeked at, bytes; webhook: or ""; nonce: or "": it is only queued; lease: ms
-- args: sha1 what digest priority due expires deadline notify metadata result reason
--    most webhook nonce worker lease
-- Answers: empty, moved (somebody was faster: peek again), wake, active, queued,
-- delayed, cancelled, expired, rejected, duplicate, conflict.
local sha1, what, digest = a_sha1, a_what, a_digest

local bad = wrong(k_inbox, 'list', k_ready, 'zset')
if bad then return bad end
local tail = redis.call('LINDEX', k_inbox, -1)
if not tail then return {'empty', now} end
if #tail > tonumber(a_most) or redis.sha1hex(tail) ~= sha1 then return {'moved', now} end

-- An entry of the rejected list: enough to find out whose it was.
local function reject(name, reason)
    local head = string.gsub(string.sub(tail, 1, 512), '[^ -~]', '?')
    head = string.gsub(head, '["\\]', '\\%0')
    redis.call('RPOP', k_inbox)
    redis.pcall('LPUSH', k_rejected, '{"at_ms":' .. now_text .. ',"reason":' .. reason ..
        ',"id":' .. (id == '' and 'null' or '"' .. id .. '"') .. ',"bytes":' .. num(#tail) ..
        ',"sha1":"' .. sha1 .. '","head":"' .. head .. '"}')
    redis.pcall('LTRIM', k_rejected, 0, 999)
    event(name, 'sha1', sha1)
    return {name, now}
end

if what == 'wake' then
    redis.call('RPOP', k_inbox)
    return {'wake', now}
end
local kind = 'none'
if id ~= '' then
    kind = redis.call('TYPE', k_job)
    kind = type(kind) == 'table' and kind.ok or kind
end
local known = kind ~= 'none'
if what == 'reject' then
    bad = wrong_core()
    if bad then return bad end
    if id ~= '' and not known then
        redis.call('HSET', k_job, 'sha', sha1, 'enq', now_text, 'attempt', 0, 'notify', a_notify)
        if a_webhook ~= '' then redis.call('HSET', k_job, 'webhook', a_webhook) end
        settle('failed', 'source_rejected', a_result)
    end
    return reject('rejected', a_reason)
end
if known then
    if kind == 'hash' and get('sha') == digest then
        redis.call('RPOP', k_inbox)
        event('duplicate', 'state', get('state'))
        return {'duplicate', now}
    end
    return reject('conflict', '"id \\"' .. id .. '\\" was pushed before with another body"')
end

local due, expires, deadline = tonumber(a_due), tonumber(a_expires), tonumber(a_deadline)
local cancelled = redis.call('EXISTS', k_cancel) == 1
local late = (expires > 0 and expires <= now) or (deadline > 0 and deadline <= now)
if cancelled or late or due > now then -- seldom: `ready` alone was looked at so far
    bad = wrong_core()
    if bad then return bad end
end
local taken = a_nonce ~= '' and not cancelled and not late and due <= now and
    redis.call('ZCARD', k_ready) == 0 and not wrong(k_active, 'zset')
local score = ready_score(tonumber(a_priority) or 0)
local hash = {'payload', tail, 'sha', digest, 'enq', now_text, 'prio', a_priority,
    'attempt', taken and '1' or '0', 'crashes', '0', 'fails', '0', 'expires', a_expires,
    'deadline', a_deadline, 'notify', a_notify}
local function with(field, value)
    hash[#hash + 1], hash[#hash + 2] = field, value
end
if a_metadata ~= '' then with('metadata', a_metadata) end
if a_webhook ~= '' then with('webhook', a_webhook) end
if not cancelled and not late then
    with('score', score)
    with('state', taken and 'active' or due > now and 'delayed' or 'queued')
    if due > now then with('due', num(due)) end
end
if taken then
    with('token', a_nonce)
    with('worker', a_worker)
    with('start', now_text)
    with('beat', now_text)
end
redis.call('RPOP', k_inbox)
redis.call('HSET', k_job, unpack(hash))

if taken then
    redis.call('ZADD', k_active, num(now + tonumber(a_lease)), id)
    event('queued')
    event('active', 'attempt', '1', 'worker', a_worker)
    return {'active', now}
end

if cancelled then
    settle('cancelled', 'cancelled', verdict('cancelled', 'cancelled'))
    return {'cancelled', now}
end
if late then
    settle('failed', 'expired', verdict('failed', 'expired', 'it came after its time'))
    return {'expired', now}
end
if due > now then
    redis.call('ZADD', k_delayed, num(due), id)
    event('delayed', 'due', num(due))
    return {'delayed', now, num(due)}
end
redis.call('ZADD', k_ready, score, id)
event('queued')
return {'queued', now}
