-- Put before every script by script.c. All scripts take the same keys and the
-- same first arguments, so that each declares every key it may touch (Cluster,
-- Dragonfly and Upstash need that) and C has one way to call them.
--
-- Rules: what may fail is looked at before the first write, for a script does
-- not roll back. A job's own state decides; the indexes follow it. Side effects
-- for onlookers (stream, list, channel, counters) go through pcall: a broken
-- onlooker's key never holds up a job. Payloads are never decoded here (cjson
-- would change numbers). Runs on Redis 6.2, 7 and Valkey.
local k = {
    inbox = KEYS[1], ready = KEYS[2], delayed = KEYS[3], active = KEYS[4],
    done = KEYS[5], dead = KEYS[6], ev = KEYS[7], rejected = KEYS[8],
    stats = KEYS[9], job = KEYS[10], cancel = KEYS[11], log = KEYS[12],
    wait = KEYS[13], hooks = KEYS[15],
}
local id, channel = ARGV[1], ARGV[2]
local result_ttl, dead_ttl = tonumber(ARGV[3]), tonumber(ARGV[4])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Lua's own conversion keeps 14 digits, microseconds have 16.
local function num(x)
    return string.format('%.0f', tonumber(x) or 0)
end

local function get(field)
    return redis.call('HGET', k.job, field) or ''
end

local function get_num(field)
    return tonumber(get(field)) or 0
end

-- wrong(key, kind, …): an error reply about the first key of another kind.
local function wrong(...)
    local want = {...}
    for i = 1, #want, 2 do
        local kind = redis.call('TYPE', want[i])
        kind = type(kind) == 'table' and kind.ok or kind
        if kind ~= 'none' and kind ~= want[i + 1] then
            return redis.error_reply('WRONGTYPE key "' .. want[i] .. '" is a ' .. kind ..
                ' and must be a ' .. want[i + 1] .. ': rename or delete it')
        end
    end
    return nil
end

local function wrong_core()
    return wrong(k.ready, 'zset', k.delayed, 'zset', k.active, 'zset', k.done, 'zset',
        k.dead, 'zset')
end

local function event(name, ...)
    redis.pcall('XADD', k.ev, 'MAXLEN', '~', 10000, '*', 'event', name, 'id', id,
        'at', num(now), ...)
    redis.pcall('HINCRBY', k.stats, name, 1)
    redis.pcall('PUBLISH', channel, '{"event":"' .. name .. '","id":"' .. id .. '"}')
end

-- One token wakes everybody who waits at an empty inbox.
local function wake()
    local length = redis.pcall('LLEN', k.inbox)
    if length == 0 then
        redis.pcall('LPUSH', k.inbox, '!')
    end
end

-- First come first served, each step of priority worth ten minutes.
local function ready_score()
    local us = time[1] * 1000000 + time[2]
    return num(us + get_num('prio') * 600000000)
end

local function forget_indexes()
    redis.call('ZREM', k.ready, id)
    redis.call('ZREM', k.delayed, id)
    redis.call('ZREM', k.active, id)
end

-- Somebody wrote over the job's hash. It must not stand in the others' way.
local function overwritten()
    if not wrong(k.job, 'hash') then return false end
    forget_indexes()
    redis.pcall('LPUSH', k.rejected, '{"at_ms":' .. num(now) .. ',"reason":"its key ' ..
        'job:' .. id .. ' was overwritten by something that is no hash","id":"' .. id ..
        '","bytes":0,"sha1":null,"head":null}')
    redis.pcall('LTRIM', k.rejected, 0, 999)
    event('broken')
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
    redis.call('HSET', k.job, 'hook', 'waiting', 'hookid', message, 'hooktries', 0)
    redis.call('HDEL', k.job, 'hookcode', 'hookwhy', 'hookat')
    redis.call('EXPIRE', k.job, math.max(result_ttl, dead_ttl, 345600))
    redis.pcall('ZADD', k.hooks, num(now), id)
end

local function forget_hook()
    redis.pcall('ZREM', k.hooks, id)
    redis.call('HDEL', k.job, 'hook', 'hookid', 'hooktries', 'hookcode', 'hookwhy', 'hookat')
end

local function end_hook(what, code, why)
    local ttl = get('state') == 'dead' and dead_ttl or result_ttl
    local left = math.ceil((get_num('fin') - now) / 1000) + ttl
    redis.call('ZREM', k.hooks, id)
    redis.call('HSET', k.job, 'hook', what, 'hookcode', code, 'hookwhy', why)
    redis.call('EXPIRE', k.job, math.max(left, 60))
    event(what == 'delivered' and 'webhook_delivered' or 'webhook_given_up', 'status', code)
end

-- The last word about a job: state, result, index, event, all in this script.
local function settle(state, outcome, result)
    local ttl = state == 'dead' and dead_ttl or result_ttl
    local index = state == 'dead' and k.dead or k.done
    forget_indexes()
    redis.call('HSET', k.job, 'state', state, 'outcome', outcome, 'result', result,
        'fin', num(now))
    redis.call('HDEL', k.job, 'token', 'due', 'error')
    redis.call('EXPIRE', k.job, ttl)
    redis.call('ZADD', index, num(now), id)
    redis.call('ZREMRANGEBYSCORE', index, '-inf', '(' .. num(now - ttl * 1000))
    if index == k.done then
        redis.call('ZREMRANGEBYRANK', index, 0, -10001)
    end
    redis.call('DEL', k.cancel)
    redis.pcall('EXPIRE', k.log, ttl)
    if get('webhook') ~= '' then -- a message id holds no dots, a job's may
        owe_hook('msg_' .. redis.sha1hex(k.job .. ' ' .. num(now) .. ' ' .. get('attempt')))
    end
    if get('notify') == '1' then
        redis.pcall('LPUSH', k.wait, result)
        redis.pcall('LTRIM', k.wait, 0, 0)
        redis.pcall('EXPIRE', k.wait, 3600)
    end
    -- A long result (a log's tail) is read from the hash.
    if #result <= 8192 then
        event(state, 'outcome', outcome, 'result', result)
    else
        event(state, 'outcome', outcome)
    end
end
