-- How an attempt ended, believed only from the worker that holds the job.
-- state: completed|failed|cancelled, or dead for our own fault, which is retried;
-- delay: before it is, ms; tries: how many are allowed
-- args: nonce state outcome result delay tries
-- Answers: ok or replay (said before, the answer got lost) with the state
-- reached; stale with the state found.
local nonce, state, outcome, result = a_nonce, a_state, a_outcome, a_result
local bad = wrong_core()
if bad then return bad end
if not read_job('state', 'token', 'webhook', 'notify') then return {'stale', now, ''} end
local found = get('state')
if found ~= 'active' or get('token') ~= nonce then
    if get('last') == nonce then return {'replay', now, get('laststate')} end
    return {'stale', now, found}
end

local retry = false
if state == 'dead' then
    local fails = get_num('fails') + 1
    retry = fails < tonumber(a_tries)
    redis.call('HSET', k_job, 'fails', num(fails))
    if redis.call('EXISTS', k_cancel) == 1 then
        retry, state, outcome = false, 'cancelled', 'cancelled'
        result = verdict('cancelled', 'cancelled')
    end
end
local due = now + tonumber(a_delay)
local deadline = retry and get_num('deadline') or 0
if deadline > 0 and due >= deadline then
    retry, state, outcome = false, 'failed', 'expired'
    result = verdict('failed', 'expired', 'its deadline left no time for another try')
end

if not retry then
    settle(state, outcome, result, 'last', nonce, 'laststate', state)
    return {'ok', now, state}
end
forget_indexes()
redis.call('HSET', k_job, 'state', 'retrying', 'last', nonce, 'laststate', 'retrying',
    'due', num(due), 'error', result)
redis.call('HDEL', k_job, 'token')
redis.call('ZADD', k_delayed, num(due), id)
event('retrying', 'outcome', outcome, 'due', num(due))
return {'ok', now, 'retrying'}
