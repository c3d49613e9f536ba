-- Takes the inbox's tail, which C has peeked at and parsed, to where it belongs.
-- Where the worker has room for it (it gave a nonce) and nobody is queued before
-- it, that is into this worker's hands: as claim.lua would, in one script.
-- Without an id it is no job but the token that wakes those who wait.
-- sha1: of the text peeked at; due, expires, deadline: ms; webhook: or ""; nonce: or
-- "": it is only queued
-- args: sha1 digest priority due expires deadline notify metadata webhook nonce
-- Answers: empty, moved (somebody was faster: peek again), wake, active, queued,
-- delayed, cancelled, expired, duplicate, conflict.
local sha1, digest = a_sha1, a_digest
local bad = wrong(k_inbox, 'list', k_ready, 'zset')
if bad then return bad end
local tail, why = tail_of(sha1)
if not tail then return why end

if id == '' then
    pop()
    return {'wake', now}
end
local kind = kind_of_job()
if kind ~= 'none' then
    if kind == 'hash' and get('sha') == digest then
        pop()
        event('duplicate', 'state', get('state'))
        return {'duplicate', now}
    end
    return reject('conflict', tail, sha1, '"id \\"' .. id .. '\\" was pushed before with another body"')
end

local due, expires, deadline = tonumber(a_due), tonumber(a_expires), tonumber(a_deadline)
local cancelled = any(1, 2) and redis.call('EXISTS', k_cancel) == 1
local late = (expires > 0 and expires <= now) or (deadline > 0 and deadline <= now)
if cancelled or late or due > now then -- seldom: `ready` alone was looked at so far
    bad = wrong_core()
    if bad then return bad end
end
local taken = a_nonce ~= '' and not cancelled and not late and due <= now and
    nobody_waits() and not wrong(k_active, 'zset')
local score = not taken and ready_score(tonumber(a_priority) or 0)
local hash = {'payload', tail, 'sha', digest, 'enq', now_text, 'attempt', taken and '1' or '0'}
local function with(field, value)
    hash[#hash + 1], hash[#hash + 2] = field, value
end
-- A field that is not there is 0.
if a_priority ~= '0' then with('prio', a_priority) end
if expires > 0 then with('expires', a_expires) end
if deadline > 0 then with('deadline', a_deadline) end
if a_notify == '1' then with('notify', '1') end
if a_metadata ~= '' then with('metadata', a_metadata) end
if a_webhook ~= '' then with('webhook', a_webhook) end
if not cancelled and not late then
    if not taken then with('score', score) end
    with('state', taken and 'active' or due > now and 'delayed' or 'queued')
    if due > now then with('due', num(due)) end
end
if taken then
    with('token', a_nonce)
    with('worker', worker)
    with('start', now_text)
end
write_nothing()
redis.call('HSET', k_job, unpack(hash))
made[id] = true
pop()

if taken then
    enter(k_active, num(now + lease))
    event('queued')
    event('active', 'attempt', '1', 'worker', worker)
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
nobody = false
event('queued')
return {'queued', now}
