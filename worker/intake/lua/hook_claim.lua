-- Lends a due webhook to a courier. A courier that dies does so with the hook's
-- score at the lease's end, where the next one finds it: delivered twice maybe,
-- but never not at all. Counting the claims is what fences a late answer.
-- lease: ms; tries: how many are allowed
-- args: lease tries
-- Answers: gone, early (with its time), spent (its couriers died at every try),
-- or ok, now, claims, tries, finished, url, message id, state, result.
local bad = wrong(k_hooks, 'zset')
if bad then return bad end
local due = redis.call('ZSCORE', k_hooks, id)
if not due then return {'gone', now} end
local ended = {completed = true, failed = true, cancelled = true, dead = true}
if wrong(k_job, 'hash') or not ended[get('state')] or get('hookid') == '' then
    redis.call('ZREM', k_hooks, id) -- the index was behind, or its hash is gone
    return {'gone', now}
end
if tonumber(due) > now then return {'early', now, num(due)} end
local claims, tries = get_num('hookclaims') + 1, get_num('hooktries') + 1
if tries > tonumber(a_tries) then
    end_hook('given up', '0', 'the courier died at every try')
    return {'spent', now}
end
redis.call('HSET', k_job, 'hookclaims', num(claims), 'hooktries', num(tries), 'hookat', now_text)
redis.call('ZADD', k_hooks, num(now + tonumber(a_lease)), id)
return {'ok', now, num(claims), num(tries), num(get('fin')), get('webhook'), get('hookid'),
    get('state'), get('result')}
