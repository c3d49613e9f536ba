-- An operator's second chance for a dead or failed job: counters and time
-- limits cleared, for they have run out.
-- Answers: unknown, state (it is in another one), gone (its text was not kept),
-- queued; each with the state found.
local bad = wrong_core() or wrong(k_job, 'hash')
if bad then return bad end
local state = get('state')
if state == '' then return {'unknown', now, ''} end
if state ~= 'dead' and state ~= 'failed' then return {'state', now, state} end
if get('payload') == '' then return {'gone', now, state} end
local score = ready_score()
redis.call('ZREM', k_done, id)
redis.call('ZREM', k_dead, id)
redis.call('DEL', k_cancel)
redis.pcall('DEL', k_wait)
forget_hook()
redis.call('PERSIST', k_job)
redis.call('HSET', k_job, 'state', 'queued', 'score', score, 'crashes', 0, 'fails', 0,
    'expires', 0, 'deadline', 0)
redis.call('HDEL', k_job, 'result', 'outcome', 'fin', 'error', 'progress', 'last', 'laststate')
redis.call('ZADD', k_ready, score, id)
event('queued', 'requeued', '1')
wake()
return {'queued', now, state}
