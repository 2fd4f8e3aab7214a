-- The work of scenarios/versus.lua as a wrk script: look at the status of every response.
local failed = 0

function response(status)
  if status ~= 200 then
    failed = failed + 1
    error("status " .. status)
  end
end
