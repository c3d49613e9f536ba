-- Removes the inbox's tail when it is larger than a job may be, without ever
-- taking it into Lua or to a client: it may be 512 MB, and Lua needs many
-- seconds for that while everybody waits. No command tells the length of a
-- list's element, so a copy of the list is cut down to its tail and weighed.
-- most: the largest text, bytes; announced: the length that was
-- args: most announced
-- Answers: empty, fine (it is no larger: somebody else removed it), rejected.
local most, announced = tonumber(a_most), a_announced
local scratch = k_scratch

local function weigh()
    redis.call('DEL', scratch)
    local copied = redis.pcall('COPY', k_inbox, scratch)
    local bytes = nil
    if copied == 1 then
        redis.call('LTRIM', scratch, -1, -1)
        bytes = redis.pcall('MEMORY', 'USAGE', scratch)
        redis.call('UNLINK', scratch)
    end
    -- Memory is counted with its overhead: close to the border, look exactly.
    -- And not every Redis-alike has these commands.
    if type(bytes) ~= 'number' or bytes < most * 2 + 65536 then
        bytes = #redis.call('LINDEX', k_inbox, -1)
    end
    return bytes
end

local bad = wrong(k_inbox, 'list')
if bad then return bad end
if redis.call('LLEN', k_inbox) == 0 then return {'empty', now} end
if weigh() <= most then return {'fine', now} end
redis.call('LTRIM', k_inbox, 0, -2)
redis.pcall('LPUSH', k_rejected, '{"at_ms":' .. now_text .. ',"reason":"job: has ' .. announced ..
    ' bytes, at most ' .. num(most) .. ' allowed","id":null,"bytes":' .. announced ..
    ',"sha1":null,"head":null}')
redis.pcall('LTRIM', k_rejected, 0, 999)
event('rejected', 'bytes', announced)
return {'rejected', now}
