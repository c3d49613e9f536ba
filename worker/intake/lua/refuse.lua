-- Refuses the inbox's tail, which C has peeked at and could not parse: it goes to the
-- list of refusals, and whoever waits for the job hears of it, where it has an id.
-- sha1: of the text peeked at; webhook: or ""; result, reason: JSON
-- args: sha1 webhook result reason
-- Answers: empty, moved (somebody was faster: peek again), rejected.
local bad = wrong(k_inbox, 'list') or wrong_core()
if bad then return bad end
local tail, why = tail_of(a_sha1)
if not tail then return why end

-- The job may need more room than the text: out of memory, it waits where it is.
if id ~= '' and kind_of_job() == 'none' then
    made[id] = true
    -- Of a refused job `notify` was not read: who waits for it shall hear.
    redis.call('HSET', k_job, 'sha', a_sha1, 'enq', now_text, 'attempt', 0, 'notify', '1')
    if a_webhook ~= '' then redis.call('HSET', k_job, 'webhook', a_webhook) end
    settle('failed', 'source_rejected', a_result)
end
return reject('rejected', tail, a_sha1, a_reason)
