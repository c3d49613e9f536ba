-- What the scripts share. All scripts take the same keys and the
-- same first arguments, so that each declares every key it may touch (Cluster,
-- Dragonfly and Upstash need that) and C has one way to call them.
--
-- A script is called for several jobs at once: what every call costs (the clock,
-- these functions, the types of the indexes) is paid once for all of them. Its
-- own text is one(), run for each job; what goes wrong with one of them is that
-- one's answer.
--
-- Rules: what may fail is looked at before the first write, for a script does
-- not roll back. A job's own state decides; the indexes follow it. Side effects
-- for onlookers (stream, list, channel, counters) go through pcall: a broken
-- onlooker's key never holds up a job. Payloads are never decoded here (cjson
-- would change numbers). Runs on Redis 6.2, 7 and Valkey.
--
-- scripts/embed-lua puts them together: of this file a script gets the blocks
-- (between empty lines) that it uses, k_ready stands for KEYS[2], and a_nonce for
-- the argument that the script's own list `args:` calls so.
-- keys: inbox ready delayed active done dead ev rejected stats scratch hooks
-- and of each job: job cancel log wait
-- KEYS: those once, then those of each job. ARGV: two times to live (s), the channels'
-- common beginning, how long a lease is (ms) and the worker's name, then of each job
-- its id and the script's own.

local result_ttl, dead_ttl, channels = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local lease, worker = tonumber(ARGV[4]), ARGV[5]
local jobs = (#KEYS - 11) / 4
local turn, at, id, k_job, k_cancel, k_log, k_wait, seen -- of the job whose turn it is

local time = redis.call('TIME')
local now_text = time[1] .. string.sub('00000' .. time[2], -6, -4)
local now, now_us = tonumber(now_text), time[1] * 1000000 + time[2] -- now: ms

-- Lua's own conversion keeps 14 digits, microseconds have 16. In two halves it is
-- five times as fast as by %.0f; for the same reason numbers are given to Redis as
-- text wherever every job comes by.
local function num(x)
    x = tonumber(x) or 0
    if x >= 1000000 and x < 1e15 * 10 and x % 1 == 0 then
        return string.format('%d%06d', math.floor(x / 1000000), x % 1000000)
    end
    return string.format('%.0f', x)
end

-- A job's fields are read one by one, or, where a script is called for every job,
-- at once and beforehand by read_job(). What was read so is not read again, not
-- even after a write.
local function get(field)
    return seen[field] or redis.call('HGET', k_job, field) or ''
end

local function get_num(field)
    return tonumber(get(field)) or 0
end

-- Whether any job of this call has one of these keys (1 job, 2 cancel, 3 log, 4
-- wait), as it was before the first of them: mostly none has, and one question
-- answers for all.
local any_of = {}

local function any(a, b)
    local both = a * 4 + b
    if any_of[both] == nil then
        local keys = {}
        for k = 11, #KEYS - 4, 4 do
            keys[#keys + 1], keys[#keys + 2] = KEYS[k + a], KEYS[k + b]
        end
        any_of[both] = redis.call('EXISTS', unpack(keys)) > 0
    end
    return any_of[both]
end

-- What kind of thing a key is; "none". Redis answers a script by a table.
local function kind_of(key)
    local kind = redis.call('TYPE', key)
    return type(kind) == 'table' and kind.ok or kind
end

-- wrong(key, kind, …): an error reply about the first key of another kind. Keys of
-- the queue are looked at once: nothing in here makes them another kind.
local fine = {}

local function wrong(...)
    local want = {...}
    for i = 1, #want, 2 do
        local key = want[i]
        if not fine[key] or key == k_job then
            local kind = kind_of(key)
            if kind ~= 'none' and kind ~= want[i + 1] then
                return redis.error_reply('WRONGTYPE key "' .. key .. '" is a ' .. kind ..
                    ' and must be a ' .. want[i + 1] .. ': rename or delete it')
            end
            fine[key] = true
        end
    end
    return nil
end

local core_fine = false

local function wrong_core()
    if core_fine then return nil end
    local bad = wrong(k_ready, 'zset', k_delayed, 'zset', k_active, 'zset', k_done, 'zset',
        k_dead, 'zset')
    core_fine = not bad
    return bad
end

local counted = {}

local function event(name, ...)
    redis.pcall('XADD', k_ev, '*', 'event', name, 'id', id, 'at', now_text, ...)
    redis.pcall('PUBLISH', channels .. id, '{"event":"' .. name .. '","id":"' .. id .. '"}')
    counted[name] = (counted[name] or 0) + 1
end

-- Out of memory, Redis refuses what a script writes first, and nothing after a write,
-- be it of nothing. For what takes no more room than the text that it is made of.
local wrote = false

local function write_nothing()
    if not wrote then redis.call('ZREM', k_ready, '') end
    wrote = true
end

-- How many texts are done with. They are taken out of the inbox at the call's end: each
-- is there until what became of it is written.
local taken_out = 0

local function pop()
    write_nothing()
    taken_out = taken_out + 1
end

-- Its tail, if that is the text with this SHA-1; else false and what to answer. Larger
-- ones than 1 MiB are not peeked at (INBOX_PEEK_MAX_BYTES): Lua is spared hashing them.
local function tail_of(sha1)
    local tail = redis.call('LINDEX', k_inbox, -1 - taken_out)
    if not tail then return false, {'empty', now} end
    if #tail > 1048576 or redis.sha1hex(tail) ~= sha1 then return false, {'moved', now} end
    return tail
end

-- Ids of the jobs that this call has made, and whether nobody is queued before them.
local made, nobody = {}, nil

-- An entry of the rejected list: enough to find out whose it was.
local function reject(name, tail, sha1, reason)
    local head = string.gsub(string.sub(tail, 1, 512), '[^ -~]', '?')
    head = string.gsub(head, '["\\]', '\\%0')
    pop()
    redis.pcall('LPUSH', k_rejected, '{"at_ms":' .. now_text .. ',"reason":' .. reason ..
        ',"id":' .. (id == '' and 'null' or '"' .. id .. '"') .. ',"bytes":' .. num(#tail) ..
        ',"sha1":"' .. sha1 .. '","head":"' .. head .. '"}')
    redis.pcall('LTRIM', k_rejected, 0, 999)
    event(name, 'sha1', sha1)
    return {name, now}
end

-- Whether there is something under the job's key, and what.
local function kind_of_job()
    if not made[id] and not any(1, 2) then return 'none' end
    return kind_of(k_job)
end

local function nobody_waits()
    if nobody == nil then nobody = redis.call('ZCARD', k_ready) == 0 end
    return nobody
end

-- One token wakes everybody who waits at an empty inbox.
local function wake()
    local length = redis.pcall('LLEN', k_inbox)
    if length == 0 then
        redis.pcall('LPUSH', k_inbox, '!')
    end
end

-- First come first served, each step of priority worth ten minutes. Those of one
-- call, which takes many more microseconds than it has jobs, keep their order.
local function ready_score(priority)
    return num(now_us + turn + (priority or get_num('prio')) * 600000000)
end

local function forget_indexes()
    redis.call('ZREM', k_ready, id)
    redis.call('ZREM', k_delayed, id)
    redis.call('ZREM', k_active, id)
end

-- Somebody wrote over the job's hash. It must not stand in the others' way.
local function overwritten()
    if not wrong(k_job, 'hash') then return false end
    forget_indexes()
    redis.pcall('LPUSH', k_rejected, '{"at_ms":' .. now_text .. ',"reason":"its key ' ..
        'job:' .. id .. ' was overwritten by something that is no hash","id":"' .. id ..
        '","bytes":0,"sha1":null,"head":null}')
    redis.pcall('LTRIM', k_rejected, 0, 999)
    event('broken')
    return true
end

-- Reads fields of the job, or answers false: as overwritten().
local function read_job(...)
    local values = redis.pcall('HMGET', k_job, ...)
    if values.err then
        if overwritten() then return false end
        redis.call('HMGET', k_job, ...) -- says it again, to the caller
    end
    local fields = {...}
    for i = 1, #fields do seen[fields[i]] = values[i] or '' end
    return true
end

-- A result for an end that no worker reported.
local function verdict(state, outcome, message)
    local metadata = get('metadata')
    local text = 'null'
    if message then
        text = '{"code":"' .. outcome .. '","message":"' .. message .. '"}'
    end
    return '{"id":"' .. id .. '","state":"' .. state .. '","outcome":"' .. outcome ..
        '","outputs":[],"error":' .. text .. ',"attempt":' .. num(get('attempt')) ..
        ',"metadata":' .. (metadata == '' and 'null' or metadata) .. '}'
end

-- The outbox: from the moment of its end on, in the same script, a job owes its
-- webhook. `hook` is what people are told: waiting, delivered, retrying, given
-- up. The hash lives until the last try (they take three days), then as long as
-- any other.
local function owe_hook(message)
    redis.call('HSET', k_job, 'hook', 'waiting', 'hookid', message, 'hooktries', 0)
    redis.call('HDEL', k_job, 'hookcode', 'hookwhy', 'hookat')
    redis.call('EXPIRE', k_job, math.max(result_ttl, dead_ttl, 345600))
    redis.pcall('ZADD', k_hooks, now_text, id)
end

local function forget_hook()
    redis.pcall('ZREM', k_hooks, id)
    redis.call('HDEL', k_job, 'hook', 'hookid', 'hooktries', 'hookcode', 'hookwhy', 'hookat')
end

local function end_hook(what, code, why)
    local ttl = get('state') == 'dead' and dead_ttl or result_ttl
    local left = math.ceil((get_num('fin') - now) / 1000) + ttl
    redis.call('ZREM', k_hooks, id)
    redis.call('HSET', k_job, 'hook', what, 'hookcode', code, 'hookwhy', why)
    redis.call('EXPIRE', k_job, math.max(left, 60))
    event(what == 'delivered' and 'webhook_delivered' or 'webhook_given_up', 'status', code)
end

-- What changes in the indexes at the end of a call, for all of its jobs at once: an
-- index's ids that leave it, its new scores and ids, and how long those stay, s.
local leaving, entering, staying = {}, {}, {}

local function enter(index, score)
    local list = entering[index] or {}
    entering[index] = list
    list[#list + 1], list[#list + 2] = score, id
end

-- The place that it had. One that was lent at once had none: by its time, then.
local function old_score()
    local score, enqueued = get('score'), get_num('enq')
    if tonumber(score) then return score end
    if enqueued == 0 then return ready_score() end
    return num(enqueued * 1000 + get_num('prio') * 600000000)
end

-- Where a job that ends is, by its state as read before. Found there it is nowhere else,
-- or that index was behind: whoever looks there finds that out and mends it. Not for one
-- that moves on: at the end of the call it may be taken out of where it went.
local function leave(state)
    local home = state == 'active' and k_active or state == 'queued' and k_ready
    if not home then return forget_indexes() end
    local list = leaving[home] or {}
    leaving[home] = list
    list[#list + 1] = id
end

local function settle_indexes()
    for home, ids in pairs(leaving) do
        if redis.call('ZREM', home, unpack(ids)) < #ids then
            redis.call('ZREM', k_ready, unpack(ids))
            redis.call('ZREM', k_delayed, unpack(ids))
            redis.call('ZREM', k_active, unpack(ids))
        end
    end
    for index, entries in pairs(entering) do
        redis.call('ZADD', index, unpack(entries))
    end
    for index, ttl in pairs(staying) do
        redis.pcall('ZREMRANGEBYSCORE', index, '-inf', '(' .. num(now - ttl * 1000))
        if index == k_done then
            redis.pcall('ZREMRANGEBYRANK', index, '0', '-10001')
        end
    end
end

-- The last word about a job: state, result, index, event, all in this script.
-- What follows `result` are more fields for its hash.
local function settle(state, outcome, result, ...)
    local ttl = state == 'dead' and dead_ttl or result_ttl
    local index = state == 'dead' and k_dead or k_done
    -- First: out of memory, it is refused, and what comes after a write is not.
    redis.call('HSET', k_job, 'state', state, 'outcome', outcome, 'result', result,
        'fin', now_text, ...)
    leave(seen.state)
    redis.call('HDEL', k_job, 'token', 'due', 'error')
    redis.call('EXPIRE', k_job, state == 'dead' and ARGV[2] or ARGV[1])
    enter(index, now_text)
    staying[index] = ttl
    if any(2, 3) and redis.call('EXISTS', k_cancel, k_log) > 0 then
        redis.call('DEL', k_cancel)
        redis.pcall('EXPIRE', k_log, state == 'dead' and ARGV[2] or ARGV[1])
    end
    if get('webhook') ~= '' then -- a message id holds no dots, a job's may
        owe_hook('msg_' .. redis.sha1hex(k_job .. ' ' .. now_text .. ' ' .. get('attempt')))
    end
    if get('notify') == '1' then
        redis.pcall('LPUSH', k_wait, result)
        redis.pcall('LTRIM', k_wait, 0, 0)
        redis.pcall('EXPIRE', k_wait, math.min(ttl, 3600)) -- no longer than the job's hash
    end
    -- A long result (a log's tail) is read from the hash.
    if #result <= 8192 then
        event(state, 'outcome', outcome, 'result', result)
    else
        event(state, 'outcome', outcome)
    end
end

-- The script's own text, as a function: what it returns is the job's answer.
local one

-- What was raised, as an error reply of the same name. Redis 6.2 raises texts,
-- with the place before them; those after it tables.
local function error_of(raised)
    if type(raised) == 'table' and raised.err then return raised end
    local text = string.gsub(tostring(raised), '[\r\n]', ' ')
    repeat
        local places
        text, places = string.gsub(text, '^@?user_script: ?%d+: %-?', '')
    until places == 0
    if not string.find(text, '^%u+ ') then text = 'ERR ' .. text end
    return {err = text}
end

-- For each job.
local answers = {}
local width = (#ARGV - 5) / jobs
for t = 1, jobs do
    local k = 11 + (t - 1) * 4
    turn, at, seen = t, 6 + (t - 1) * width, {}
    id, k_job, k_cancel, k_log, k_wait = ARGV[at], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4]
    local ran, answer = pcall(one)
    answers[t] = ran and answer or error_of(answer)
end
for name, count in pairs(counted) do
    redis.pcall('HINCRBY', k_stats, name, count)
end
if next(counted) then
    redis.pcall('XTRIM', k_ev, 'MAXLEN', '~', '10000')
end
settle_indexes()
if taken_out > 0 then
    redis.call('RPOP', k_inbox, taken_out)
end
return answers
