-- What wrk does in the name of the visitors: wrk ... URL -- PATH COOKIES
-- COOKIES is a file with a visitor's cookie in each line; one with an empty line sends none.

local requests, nth = {}, 0

function init(arguments)
   for cookie in io.lines(arguments[2]) do
      local headers = {}
      if cookie ~= "" then headers.Cookie = cookie end
      requests[#requests + 1] = wrk.format("GET", arguments[1], headers)
   end
end

-- One visitor after the other, so that none is asked for twice at one time.
function request()
   nth = nth % #requests + 1
   return requests[nth]
end

function done(summary, latency)
   local errors = summary.errors
   print(string.format(
      '{"requests":%d,"duration":%d,"p50":%d,"p99":%d,' ..
      '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
