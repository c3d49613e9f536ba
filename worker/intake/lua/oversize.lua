-- Removes the inbox's tail when it is larger than a job may be, without ever
-- copying it into Lua or to a client (it may be 512 MB).
-- KEYS[14] a scratch list; 5 largest text; 6 the length that was announced
-- Answers: empty, fine (it is no larger: somebody else removed it), rejected.
local most, announced = tonumber(ARGV[5]), ARGV[6]
local scratch = KEYS[14]
local bad = wrong(k.inbox, 'list')
if bad then return bad end
redis.call('DEL', scratch)
if redis.call('LLEN', k.inbox) == 0 then return {'empty', now} end
redis.call('LMOVE', k.inbox, scratch, 'RIGHT', 'LEFT')
local bytes = redis.pcall('MEMORY', 'USAGE', scratch)
if type(bytes) ~= 'number' then -- not every Redis-alike has it
    bytes = #redis.call('LINDEX', scratch, 0)
end
-- Memory is counted with its overhead: close to the border, look exactly.
if bytes < most * 2 + 65536 then
    bytes = #redis.call('LINDEX', scratch, 0)
end
if bytes <= most then
    redis.call('LMOVE', scratch, k.inbox, 'LEFT', 'RIGHT')
    return {'fine', now}
end
redis.call('UNLINK', scratch)
redis.pcall('LPUSH', k.rejected, '{"at_ms":' .. num(now) .. ',"reason":"job: has ' .. announced ..
    ' bytes, at most ' .. num(most) .. ' allowed","id":null,"bytes":' .. announced ..
    ',"sha1":null,"head":null}')
redis.pcall('LTRIM', k.rejected, 0, 999)
event('rejected', 'bytes', announced)
return {'rejected', now}
