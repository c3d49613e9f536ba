-- How a try at a webhook ended, believed only from the courier that holds it.
-- message: its id; what: delivered|retrying|given up|deferred; status: of HTTP;
-- delay: ms
-- args: message claims what status why delay
-- Answers: ok; stale (also when it has been said before: the answer got lost).
local what, due = a_what, num(now + tonumber(a_delay))
local bad = wrong(k_hooks, 'zset')
if bad then return bad end
if wrong(k_job, 'hash') or get('hookid') ~= a_message or get('hookclaims') ~= a_claims then
    return {'stale', now}
end
redis.call('HINCRBY', k_job, 'hookclaims', 1)
if what == 'deferred' then -- it was no try
    redis.call('HINCRBY', k_job, 'hooktries', -1)
    redis.call('ZADD', k_hooks, due, id)
elseif what == 'retrying' then
    redis.call('HSET', k_job, 'hook', what, 'hookcode', a_status, 'hookwhy', a_why)
    redis.call('ZADD', k_hooks, due, id)
else
    end_hook(what, a_status, a_why)
end
return {'ok', now}
