-- Takes the inbox's tail, which C has peeked at and parsed, to where it belongs.
-- 5 sha1 of the text peeked at  6 wake|job|reject  7 digest  8 priority
-- 9 run at, ms  10 expires, ms  11 deadline, ms  12 notify  13 metadata
-- 14 result of a refusal  15 entry for the rejected list  16 largest text that
-- can have been peeked at  17 webhook or ""
-- Answers: empty, moved (somebody was faster: peek again), wake, queued,
-- delayed, cancelled, expired, rejected, duplicate, conflict.
local sha1, what, digest, entry = ARGV[5], ARGV[6], ARGV[7], ARGV[15]

local bad = wrong(k.inbox, 'list', k.ready, 'zset', k.delayed, 'zset', k.active, 'zset',
    k.done, 'zset')
if bad then return bad end
local tail = redis.call('LINDEX', k.inbox, -1)
if not tail then return {'empty', now} end
if #tail > tonumber(ARGV[16]) or redis.sha1hex(tail) ~= sha1 then return {'moved', now} end

local function reject(name)
    redis.call('RPOP', k.inbox)
    redis.pcall('LPUSH', k.rejected, entry)
    redis.pcall('LTRIM', k.rejected, 0, 999)
    event(name, 'sha1', sha1)
    return {name, now}
end

if what == 'wake' then
    redis.call('RPOP', k.inbox)
    return {'wake', now}
end
local known = id ~= '' and redis.call('EXISTS', k.job) == 1
if what == 'reject' then
    if id ~= '' and not known then
        redis.call('HSET', k.job, 'sha', sha1, 'enq', num(now), 'attempt', 0, 'notify', ARGV[12])
        if ARGV[17] ~= '' then redis.call('HSET', k.job, 'webhook', ARGV[17]) end
        settle('failed', 'source_rejected', ARGV[14])
    end
    return reject('rejected')
end
if known then
    if not wrong(k.job, 'hash') and get('sha') == digest then
        redis.call('RPOP', k.inbox)
        event('duplicate', 'state', get('state'))
        return {'duplicate', now}
    end
    return reject('conflict')
end

local due, expires, deadline = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
redis.call('RPOP', k.inbox)
redis.call('HSET', k.job, 'payload', tail, 'sha', digest, 'enq', num(now), 'prio', ARGV[8],
    'attempt', 0, 'crashes', 0, 'fails', 0, 'expires', ARGV[10], 'deadline', ARGV[11],
    'notify', ARGV[12])
if ARGV[13] ~= '' then redis.call('HSET', k.job, 'metadata', ARGV[13]) end
if ARGV[17] ~= '' then redis.call('HSET', k.job, 'webhook', ARGV[17]) end

if redis.call('EXISTS', k.cancel) == 1 then
    settle('cancelled', 'cancelled', verdict('cancelled', 'cancelled'))
    return {'cancelled', now}
end
if (expires > 0 and expires <= now) or (deadline > 0 and deadline <= now) then
    settle('failed', 'expired', verdict('failed', 'expired', 'it came after its time'))
    return {'expired', now}
end
local score = ready_score()
redis.call('HSET', k.job, 'score', score)
if due > now then
    redis.call('HSET', k.job, 'state', 'delayed', 'due', num(due))
    redis.call('ZADD', k.delayed, num(due), id)
    event('delayed', 'due', num(due))
    return {'delayed', now, num(due)}
end
redis.call('HSET', k.job, 'state', 'queued')
redis.call('ZADD', k.ready, score, id)
event('queued')
return {'queued', now}
