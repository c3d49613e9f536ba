-- An operator's wish that a webhook be delivered again, from the first try on.
-- It keeps its message id: a receiver that has it knows so.
-- Answers: unknown, none (the job named no webhook), state (it has not ended),
-- due; each with the job's state.
local bad = wrong(k_hooks, 'zset', k_job, 'hash')
if bad then return bad end
local state = get('state')
if state == '' then return {'unknown', now, ''} end
if get('webhook') == '' then return {'none', now, state} end
if get('hookid') == '' then return {'state', now, state} end
redis.call('HINCRBY', k_job, 'hookclaims', 1) -- whoever is at it is not heard any more
owe_hook(get('hookid'))
return {'due', now, state}
