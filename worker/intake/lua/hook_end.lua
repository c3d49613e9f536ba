-- How a try at a webhook ended, believed only from the courier that holds it.
-- 5 message id  6 claims  7 delivered|retrying|given up|deferred  8 HTTP status
-- 9 why  10 delay, ms
-- Answers: ok; stale (also when it has been said before: the answer got lost).
local what, due = ARGV[7], num(now + tonumber(ARGV[10]))
local bad = wrong(k.hooks, 'zset')
if bad then return bad end
if wrong(k.job, 'hash') or get('hookid') ~= ARGV[5] or get('hookclaims') ~= ARGV[6] then
    return {'stale', now}
end
redis.call('HINCRBY', k.job, 'hookclaims', 1)
if what == 'deferred' then -- it was no try
    redis.call('HINCRBY', k.job, 'hooktries', -1)
    redis.call('ZADD', k.hooks, due, id)
elseif what == 'retrying' then
    redis.call('HSET', k.job, 'hook', what, 'hookcode', ARGV[8], 'hookwhy', ARGV[9])
    redis.call('ZADD', k.hooks, due, id)
else
    end_hook(what, ARGV[8], ARGV[9])
end
return {'ok', now}
