-- An operator's or producer's wish that a job end. (A client without scripts
-- does SET cancel:<id> 1 EX 86400, which the workers find by themselves.)
-- Answers: unknown (kept for when it comes), ended, asked (it is running),
-- cancelled; each with the state found.
local bad = wrong_core() or wrong(k_job, 'hash')
if bad then return bad end
local state = get('state')
local ended = {completed = true, failed = true, cancelled = true, dead = true}
if ended[state] then return {'ended', now, state} end
redis.call('SET', k_cancel, '1', 'EX', 86400)
if state == '' then return {'unknown', now, ''} end
if state == 'active' then return {'asked', now, state} end
settle('cancelled', 'cancelled', verdict('cancelled', 'cancelled'))
return {'cancelled', now, state}
