-- Replaces a payload if it is still the one that was read.
-- KEYS[1] the session; ARGV: the payload read, the new payload, its time to live in milliseconds.
-- Returns 1: replaced; nil: gone; a string: what is there instead, nothing replaced.
local there = redis.call('GET', KEYS[1])
if there ~= ARGV[1] then
  return there
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
