-- There is more than the caller can take: whoever waits at the inbox may look.
if redis.call('ZCARD', k_ready) > 0 then wake() end
return {'ok', now}
