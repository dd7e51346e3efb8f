-- Replaces a payload if it is still the one that was read.
-- KEYS[1] the session; ARGV: the payload read, the new payload, its time to live in milliseconds;
-- without that, it keeps what it has, which is less work for the server.
-- Returns nil: gone; a string: what is there instead, nothing replaced. What it returns after it has
-- replaced, whoever runs it adds.
local there = redis.call('GET', KEYS[1])
if there ~= ARGV[1] then
  return there
end
if ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
end
