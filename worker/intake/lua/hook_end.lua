-- How a try at a webhook ended, believed only from the courier that holds it.
-- 5 message id  6 claims  7 delivered|retrying|given up|deferred  8 HTTP status
-- 9 why  10 delay, ms
-- Answers: ok; stale (also when it has been said before: the answer got lost).
local what, due = ARGV[7], num(now + tonumber(ARGV[10]))
local bad = wrong(k_hooks, 'zset')
if bad then return bad end
if wrong(k_job, 'hash') or get('hookid') ~= ARGV[5] or get('hookclaims') ~= ARGV[6] then
    return {'stale', now}
end
redis.call('HINCRBY', k_job, 'hookclaims', 1)
if what == 'deferred' then -- it was no try
    redis.call('HINCRBY', k_job, 'hooktries', -1)
    redis.call('ZADD', k_hooks, due, id)
elseif what == 'retrying' then
    redis.call('HSET', k_job, 'hook', what, 'hookcode', ARGV[8], 'hookwhy', ARGV[9])
    redis.call('ZADD', k_hooks, due, id)
else
    end_hook(what, ARGV[8], ARGV[9])
end
return {'ok', now}
