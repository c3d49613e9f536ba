-- Looks at one job: whether its hash, the indexes and the outbox say the same of
-- it; mends what does not. Judged and written in one script, so a job that is
-- consistent at this moment is never touched, whatever its worker does meanwhile.
-- The hash decides and the indexes follow; what the hash has lost is taken from
-- what is left of it. What shows signs of an end is never run again.
-- mode: look|mend; digest: of the payload, "" not made yet, - cannot be
-- made; stranger: "stranger" when no job can have this id
-- args: mode digest stranger
-- Answers: digest (wanted: nothing was done), ok, bad (looked only), mended, left
-- (some of it is for a person); with the state, the kinds of damage by commas,
-- sentences by semicolons.
local mode, digest, stranger = a_mode, a_digest, a_stranger == 'stranger'
local bad = wrong_core() or wrong(k_hooks, 'zset')
if bad then return bad end

local home = {queued = 'ready', delayed = 'delayed', retrying = 'delayed', active = 'active',
    completed = 'done', failed = 'done', cancelled = 'done', dead = 'dead'}
local names = {'ready', 'delayed', 'active', 'done', 'dead', 'hooks'}
local ended = {completed = true, failed = true, cancelled = true, dead = true}
local k = {ready = k_ready, delayed = k_delayed, active = k_active, done = k_done, dead = k_dead,
    hooks = k_hooks}
local found = {}
for _, name in ipairs(names) do
    found[name] = tonumber(redis.call('ZSCORE', k[name], id) or nil)
end

local kinds, texts, fixes, left = {}, {}, {}, false
local function damage(kind, text, fix)
    if not string.find(',' .. table.concat(kinds, ',') .. ',', ',' .. kind .. ',', 1, true) then
        kinds[#kinds + 1] = kind
    end
    texts[#texts + 1] = text
    fixes[#fixes + 1] = fix
    left = left or not fix
end

local function fix_take(name)
    return function() redis.call('ZREM', k[name], id) end
end

local function fix_set(field, value)
    return function() redis.call('HSET', k_job, field, value) end
end

local function answer(state)
    if #kinds == 0 then return {'ok', now, state} end
    local word = 'bad'
    if mode ~= 'look' then
        for _, fix in ipairs(fixes) do fix() end
        word = left and 'left' or 'mended'
        if #fixes > 0 and not stranger then
            event('mended', 'damage', table.concat(kinds, ','))
        end
    end
    return {word, now, state, table.concat(kinds, ','), table.concat(texts, '; ')}
end

local kind = kind_of(k_job)
if stranger or kind == 'none' then
    local ttl = {done = result_ttl, dead = dead_ttl}
    for _, name in ipairs(names) do
        local score = found[name]
        -- What ended long ago is taken out when the next job ends.
        if score and not (ttl[name] and score <= now - ttl[name] * 1000) then
            damage('no_job', name .. ' names it and there is no such job', fix_take(name))
        end
    end
    return answer('')
end
if kind ~= 'hash' then
    damage('wrong_type', 'its key is a ' .. kind .. ' and no hash: rename or delete it')
    for _, name in ipairs(names) do
        if found[name] then damage('no_job', name .. ' names it', fix_take(name)) end
    end
    return answer('')
end

-- ---- what the hash says, or what is left of it ----

local state, payload, token = get('state'), get('payload'), get('token')
local outcome, result, fin = get('outcome'), get('result'), tonumber(get('fin'))
local fault = {host_error = 1, sandbox_setup = 1, fetch_failed = 1, store_failed = 1,
    worker_lost = 1}

local function guess()
    local how = outcome
    if how == '' then how = string.match(result, '"outcome":"([a-z_]+)"') or '' end
    if how == 'completed' or how == 'cancelled' then return how end
    if how ~= '' then return fault[how] and 'dead' or 'failed' end
    if result ~= '' or fin or found.done or found.dead then
        return found.dead and 'dead' or 'failed'
    end
    if payload == '' then return '' end
    if token ~= '' then return 'active' end
    if tonumber(get('due')) then return get_num('fails') > 0 and 'retrying' or 'delayed' end
    return 'queued'
end

if not home[state] then
    local was = state
    state = guess()
    if state ~= '' then
        damage('half_gone', was == '' and 'its state is gone' or 'its state is none that is known',
            fix_set('state', state))
    end
end
if state == 'active' and token == '' then
    state = 'queued' -- nobody can end it, and whoever renders it will be told so
    damage('half_gone', 'it is active and its token is gone', function()
        redis.call('HSET', k_job, 'state', 'queued', 'score', old_score())
        redis.call('HDEL', k_job, 'progress')
    end)
end
if not ended[state] and payload == '' then
    if state == 'active' then
        damage('half_gone', 'its payload is gone: only its worker can still end it')
    else
        damage('half_gone', 'its payload is gone: it cannot be rendered', function()
            redis.call('ZREM', k_done, id)
            settle('dead', 'host_error', verdict('dead', 'host_error',
                'its payload is gone from its hash in Redis'))
        end)
        fixes = {fixes[#fixes]}
        return answer('dead')
    end
end
if payload ~= '' and get('sha') == '' then
    if mode == 'mend' and digest == '' then return {'digest', now} end
    damage('half_gone', 'the digest of its payload is gone',
        digest ~= '-' and fix_set('sha', digest) or nil)
end

-- ---- an end's own fields ----

local ttl = state == 'dead' and dead_ttl or result_ttl
if ended[state] then
    if outcome == '' then
        outcome = string.match(result, '"outcome":"([a-z_]+)"') or
            (state == 'completed' or state == 'cancelled') and state or 'host_error'
        damage('half_gone', 'its outcome is gone', fix_set('outcome', outcome))
    end
    if result == '' then
        damage('half_gone', 'its result is gone', function()
            redis.call('HSET', k_job, 'result',
                verdict(state, outcome, 'its result is gone from its hash in Redis'))
        end)
    end
    if not fin then
        fin = found[home[state]] or now
        damage('half_gone', 'the time of its end is gone', fix_set('fin', num(fin)))
    end
    if redis.call('TTL', k_job) == -1 then
        damage('no_ttl', 'it has ended and would stay for ever', function()
            redis.call('EXPIRE', k_job, math.max(ttl, get('webhook') ~= '' and 345600 or 0))
        end)
    end
elseif redis.call('TTL', k_job) ~= -1 then
    damage('has_ttl', 'it has not ended and would vanish',
        function() redis.call('PERSIST', k_job) end)
end

-- ---- its place ----

local want, score = home[state], fin
if state == 'queued' then
    score = tonumber(get('score'))
    if not score and get('state') == 'active' then -- lent at once, it had none
        score = tonumber(old_score())
    elseif not score then
        score = found.ready or tonumber(old_score())
        damage('no_score', 'its place in the order is gone', fix_set('score', num(score)))
    end
elseif want == 'delayed' then
    score = tonumber(get('due'))
    if not score then
        score = found.delayed or now
        damage('half_gone', 'the time when it is due is gone', fix_set('due', num(score)))
    end
elseif state == 'active' then -- ten minutes are the longest lease
    score = found.active and found.active <= now + 660000 and found.active or now + lease
end

-- An end too old to be listed: its hash lives on, for a webhook say.
local function unlisted()
    if not ended[state] then return false end
    if fin <= now - ttl * 1000 then return true end
    local oldest = redis.call('ZRANGE', k_done, 0, 0, 'WITHSCORES')
    return want == 'done' and redis.call('ZCARD', k_done) >= 10000 and fin <= tonumber(oldest[2])
end

local function put()
    redis.call('ZADD', k[want], num(score), id)
    if want == 'done' then redis.call('ZREMRANGEBYRANK', k_done, 0, -10001) end
    if want == 'ready' then wake() end
end

for i = 1, 5 do
    local name = names[i]
    if found[name] and name ~= want then
        damage(name == 'active' and 'lease' or 'wrong_index',
            name .. ' names it and it is ' .. state, fix_take(name))
    end
end
if found[want] then
    if found[want] ~= score then
        damage('wrong_score', want .. ' has it at ' .. num(found[want]) .. ' instead of ' ..
            num(score), put)
    end
elseif not unlisted() then
    damage('not_indexed', 'it is ' .. state .. ' and ' .. want .. ' does not name it', put)
end

-- ---- its webhook ----

local hook = get('hook')
local owes = ended[state] and get('webhook') ~= '' and hook ~= 'delivered' and hook ~= 'given up'
if owes and get('hookid') == '' then
    damage('no_hook', 'it owes a webhook and there is none', function()
        owe_hook('msg_' .. redis.sha1hex(k_job .. ' ' .. now_text .. ' ' .. get('attempt')))
    end)
elseif owes and not found.hooks then
    damage('no_hook', 'it owes a webhook and hooks does not name it',
        function() redis.call('ZADD', k_hooks, now_text, id) end)
elseif found.hooks and not owes then
    damage('wrong_hook', 'hooks names it and it owes no webhook', fix_take('hooks'))
end
return answer(state)
