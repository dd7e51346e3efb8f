-- What wrk does in the name of the visitors: wrk ... URL -- PATH COOKIES [LEAST MOST]
-- COOKIES is a file with a visitor's cookie in each line; one with an empty line sends none.
-- LEAST and MOST: what the counters stand at before. Then every answer is looked at, which takes time.

local requests, random, nth, asked, answered, wrong = {}, false, 0, 0, 0, 0

-- All are visited in turn, so no counter is more than two visits away from its share.
local function checking(path, least, most)
   local visits = path == "/count" and 1 or 0
   return function(status, _, body)
      local number = tonumber(body)
      local first = least + visits * math.max(0, math.floor(answered / #requests) - 2)
      local last = most + visits * (math.ceil(asked / #requests) + 1)
      if status ~= 200 or not number or number < first or number > last then
         wrong = wrong + 1
      end
      answered = answered + 1
   end
end

-- Each thread of wrk has variables of its own.
function setup(thread)
   only = thread
end

function init(arguments)
   random = arguments[1] == "/read"
   for cookie in io.lines(arguments[2]) do
      local headers = {}
      if cookie ~= "" then headers.Cookie = cookie end
      requests[#requests + 1] = wrk.format("GET", arguments[1], headers)
   end
   if arguments[3] then
      local check = checking(arguments[1], tonumber(arguments[3]), tonumber(arguments[4]))
      response = function(...)
         check(...)
         unexpected = wrong
      end
   end
end

-- Who is counted has their turn, so that none is counted twice at one time.
function request()
   nth = random and math.random(#requests) or nth % #requests + 1
   asked = asked + 1
   return requests[nth]
end

function done(summary, latency)
   local errors = summary.errors
   print(string.format(
      '{"requests":%d,"duration":%d,"p50":%d,"p99":%d,' ..
      '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,"unexpected":%d}',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.timeout, errors.status,
      only:get("unexpected") or 0))
end
