---@meta

-- What scripts of Mistress can use, for editors with the Lua language server. The reference is
-- docs/scripts.md. Times are in seconds unless a name says otherwise.

------------------------------------------------------------------------------------------ users

---A user of the load: the first argument of scenarios and hooks. Other fields are the script's own.
---@class User
---@field id integer the number of the user in its load, from 0
---@field index integer a number that no other user of the run has, from 0
---@field iteration integer the number of the running user's iteration, from 0
---@field [string] any
local User = {}

---@alias Text string|number|boolean
---@alias Pairs table<string, Text|Text[]>|[string, Text][]

---@class RequestOptions
---@field basic_auth? [string, string] user and password
---@field bearer? string a token for the Authorization header
---@field body? string sent as it is
---@field body_file? string a file whose content is the body
---@field chunked? boolean send the body in chunks, without a length
---@field cookies? boolean|table<string, Text> cookies of this request only; false: none
---@field digest_auth? [string, string] user and password
---@field expect? integer|integer[]|fun(reply: Reply): boolean, string? what counts as ok; default: status below 400
---@field expect_continue? boolean ask the server before sending the body
---@field files? table<string, table> files of a form
---@field form? Pairs fields of a form
---@field headers? Pairs a value of false omits a header
---@field jar? CookieJar where cookies are taken from and kept; default: the user's own
---@field json? any sent as JSON
---@field keep_body? boolean keep the body of the reply as long as the reply
---@field keepalive? boolean false: close the connection afterwards
---@field name? string the name in the report; default: method and path
---@field query? Pairs appended to the URL
---@field redirects? integer how many redirects to follow, 0 to 50
---@field referer? string
---@field tags? table<string, string|number> counted under each of them as well, at most 8
---@field timeout? string|number "250ms", "10s", or seconds

---@class BatchItem: RequestOptions
---@field url string
---@field method? string default: GET

---@param url string a path, or an absolute URL
---@param options? RequestOptions
---@return Reply
function User:get(url, options) end

---@param url string
---@param options? RequestOptions
---@return Reply
function User:head(url, options) end

---@param url string
---@param options? RequestOptions
---@return Reply
function User:post(url, options) end

---@param url string
---@param options? RequestOptions
---@return Reply
function User:put(url, options) end

---@param url string
---@param options? RequestOptions
---@return Reply
function User:patch(url, options) end

---@param url string
---@param options? RequestOptions
---@return Reply
function User:delete(url, options) end

---A request with any method.
---@param method string
---@param url string
---@param options? RequestOptions
---@return Reply
function User:request(method, url, options) end

---Fetches a page and then, concurrently, the resources it embeds.
---@param url string
---@param options? RequestOptions also all_origins (boolean) and assets (RequestOptions)
---@return Reply page
---@return Reply[] assets
function User:page(url, options) end

---Sends requests concurrently; the replies are in the order of the list.
---@param requests (string|BatchItem)[]
---@return Reply[]
function User:batch(requests) end

---Calls functions concurrently; returns the first result of each.
---@param functions (fun(user: User): any)[]
---@return any ...
function User:parallel(functions) end

---Waits; with two arguments for a time drawn uniformly between them.
---@param seconds number
---@param max? number
function User:sleep(seconds, max) end

---@class ThinkTime
---@field kind "uniform"|"exponential"|"normal"|"lognormal"
---@field mean? number
---@field sd? number
---@field min? number
---@field max? number

---Waits like a person, for a time drawn from a distribution.
---@param time ThinkTime
function User:think(time) end

---A value that one user of the core gets for all, and gets again when it is older than `seconds`.
---@generic T
---@param name string
---@param seconds number
---@param fn fun(user: User): T
---@return T
function User:refresh(name, seconds, fn) end

---Calls a function and reports its time under a name; returns its results.
---@param name string
---@param fn fun(...): ...
---@param ... any
---@return any ...
function User:transaction(name, fn, ...) end

---Calls a function; all requests in it have these tags, too. Returns its results.
---@param tags table<string, string|number>
---@param fn fun(...): ...
---@param ... any
---@return any ...
function User:with_tags(tags, fn, ...) end

---Cookies besides the user's own; from `user:cookie_jar()`.
---@class CookieJar
local CookieJar = {}

---@param name string
---@param url? string
---@return string? value
function CookieJar:cookie(name, url) end

---@param name string
---@param value string
---@param options? { path?: string, domain?: string, url?: string, secure?: boolean, max_age?: number }
function CookieJar:set_cookie(name, value, options) end

function CookieJar:clear_cookies() end

---@class Conditions
---@field contains? string|string[]
---@field cookie? table<string, string|boolean|fun(value: string?): boolean>
---@field css? table<string, string|boolean|fun(value: string?): boolean>
---@field header? table<string, string|boolean>
---@field json_at? table<string, any>
---@field latency_ms_max? number
---@field matches? string|string[] Lua patterns
---@field ok? boolean
---@field regex? string|string[]
---@field required? boolean the iteration fails if a condition does not hold
---@field status? integer|integer[]

---Counts checks; returns whether all passed.
---@overload fun(self: User, reply: Reply, conditions: Conditions, name?: string): boolean
---@overload fun(self: User, reply: Reply, name: string, holds: fun(reply: Reply): boolean): boolean
---@param name string
---@param value any
---@return boolean
function User:check(name, value) end

---The next row of a data source of the profile.
---@param name string
---@return table<string, any>
function User:row(name) end

---True until the load asks users to stop.
---@return boolean
function User:running() end

---The user leaves its load: this call does not return.
function User:stop() end

---A number in [0, 1), an integer from 1 to m, or one from m to n, by the seed of the run.
---@param m? integer
---@param n? integer
---@return number
function User:random(m, n) end

---@param version? 4|7 7 begins with the time
---@return string
function User:uuid(version) end

---@param length integer
---@param alphabet? string default: letters and digits
---@return string
function User:random_text(length, alphabet) end

---@return string name such as "Nora Fischer"
function User:random_name() end

---@return string address at a domain that delivers to nobody
function User:random_email() end

---One item of a list.
---@generic T
---@param list T[]
---@return T
function User:choice(list) end

---@param name string
---@param url? string
---@return string? value
function User:cookie(name, url) end

---@param name string
---@param value string
---@param options? { path?: string, domain?: string, url?: string, secure?: boolean, max_age?: number }
function User:set_cookie(name, value, options) end

function User:clear_cookies() end

---A new jar without cookies, for the option `jar` of requests.
---@return CookieJar
function User:cookie_jar() end

---@param name string
---@param n? number default 1
---@param tags? table<string, string|number>
function User:count(name, n, tags) end

---@param name string
---@param value number
---@param tags? table<string, string|number>
function User:gauge(name, value, tags) end

---@param name string
---@param truth boolean
---@param tags? table<string, string|number>
function User:rate(name, truth, tags) end

---@param name string
---@param value number
---@param tags? table<string, string|number>
function User:trend(name, value, tags) end

---@param ... any
function User:log(...) end

---------------------------------------------------------------------------------------- replies

---@class Timings parts of the time of a request, in milliseconds
---@field queue? number
---@field dns? number
---@field connect? number
---@field tls? number
---@field send? number
---@field first_byte? number
---@field receive? number

---How a request ended.
---@class Reply
---@field status integer 0 when none was received
---@field ok boolean
---@field failure string? the kind of failure
---@field latency_ms number
---@field body string?
---@field headers table<string, string> names in any case
---@field cookies table<string, string> that this reply sets
---@field url string after redirects
---@field timings Timings
local Reply = {}

---The decoded body, or what a path such as "items[1].id" leads to; nil and the reason without one.
---@param path? string
---@return any value
---@return string? reason
function Reply:json(path) end

---The groups of the first match.
---@param pattern string
---@param group? integer|string
---@return string? ...
function Reply:regex(pattern, group) end

---@param pattern string
---@param group? integer|string
---@return any[]
function Reply:regex_all(pattern, group) end

---Text or attribute of the first element that a CSS selector finds.
---@param selector string
---@param attribute? string
---@return string?
function Reply:css(selector, attribute) end

---@param selector string
---@param attribute? string
---@return string[]
function Reply:css_all(selector, attribute) end

---Text of the first node that an XPath expression finds, or its value.
---@param expression string
---@param namespaces? table<string, string> URIs by prefix
---@return string|number|boolean|nil value
---@return string? reason
function Reply:xpath(expression, namespaces) end

---@param expression string
---@param namespaces? table<string, string>
---@return any[] values
---@return string? reason
function Reply:xpath_all(expression, namespaces) end

---Like string.match on the body.
---@param pattern string
---@param start? integer
---@return string? ...
function Reply:match(pattern, start) end

---@param name string
---@return string?
function Reply:cookie(name) end

---@param name string
---@return string[]
function Reply:headers_all(name) end

---The reply counts as failed.
---@param reason string
function Reply:fail(reason) end

---------------------------------------------------------------------------------------- toolbox

---@alias DigestForm "hex"|"base64"|"base64url"|"raw"

hash = {}

---@param text string
---@param form? DigestForm
---@return string
function hash.md5(text, form) end

---@param text string
---@param form? DigestForm
---@return string
function hash.sha1(text, form) end

---@param text string
---@param form? DigestForm
---@return string
function hash.sha256(text, form) end

---@param text string
---@param form? DigestForm
---@return string
function hash.sha384(text, form) end

---@param text string
---@param form? DigestForm
---@return string
function hash.sha512(text, form) end

hmac = {}

---@param key string
---@param text string
---@param form? DigestForm
---@return string
function hmac.md5(key, text, form) end

---@param key string
---@param text string
---@param form? DigestForm
---@return string
function hmac.sha1(key, text, form) end

---@param key string
---@param text string
---@param form? DigestForm
---@return string
function hmac.sha256(key, text, form) end

---@param key string
---@param text string
---@param form? DigestForm
---@return string
function hmac.sha384(key, text, form) end

---@param key string
---@param text string
---@param form? DigestForm
---@return string
function hmac.sha512(key, text, form) end

base64 = {}

---@param text string
---@return string
function base64.encode(text) end

---@param text string
---@return string? decoded
---@return string? reason
function base64.decode(text) end

base64url = {}

---@param text string
---@return string
function base64url.encode(text) end

---@param text string
---@return string? decoded
---@return string? reason
function base64url.decode(text) end

hex = {}

---@param text string
---@return string
function hex.encode(text) end

---@param text string
---@return string? decoded
---@return string? reason
function hex.decode(text) end

json = {}

---The bytes that the option `json` of a request sends.
---@param value any
---@return string
function json.encode(value) end

---@param text string
---@return any value
---@return string? reason
function json.decode(text) end

url = {}

---@param text string|Pairs
---@param form? "query"|"form"
---@return string
function url.encode(text, form) end

---@param text string
---@param form? "query"|"form"
---@return string
function url.decode(text, form) end

---@param base string
---@param link string
---@return string? url
---@return string? reason
function url.join(base, link) end

---@class UrlParts
---@field scheme string
---@field user? string
---@field password? string
---@field host? string
---@field port? integer
---@field path string
---@field query? string
---@field fragment? string
---@field params table<string, string>

---@param text string
---@return UrlParts? parts
---@return string? reason
function url.parse(text) end

time = {}

---The wall clock in milliseconds since 1970.
---@return integer
function time.now() end

---@param ms number
---@param format? string "iso" (the default), "http", or a pattern of strftime
---@return string
function time.format(ms, format) end

---@param text string
---@param format? string
---@return integer? ms
---@return string? reason
function time.parse(text, format) end

jwt = {}

---@alias Algorithm "HS256"|"RS256"|"ES256"

---@param claims table|string
---@param key string a secret, or a private key in PEM
---@param options? { alg?: Algorithm, header?: table|string }
---@return string
function jwt.sign(claims, key, options) end

---@param token string
---@param key string a secret, or a key in PEM
---@param options? { alg?: Algorithm }
---@return table? claims
---@return table|string header or the reason
function jwt.verify(token, key, options) end

---@param token string
---@return table? claims
---@return table|string header or the reason
function jwt.decode(token) end

aws = {}

---@class AwsRequest
---@field url string absolute
---@field service string
---@field region string
---@field access_key string
---@field secret_key string
---@field method? string default: GET
---@field headers? Pairs
---@field body? string
---@field session_token? string
---@field time? number milliseconds since 1970

---The headers to send with the request.
---@param request AwsRequest
---@return table<string, string>
function aws.sign(request) end

xml = {}

---@class XmlElement
---@field name string
---@field namespace? string
---@field attributes table<string, string>
---@field text string
---@field [integer] XmlElement

---@param text string
---@return XmlElement? root
---@return string? reason
function xml.parse(text) end

---@param text string
---@param expression string
---@param namespaces? table<string, string>
---@return string|number|boolean|nil value
---@return string? reason
function xml.xpath(text, expression, namespaces) end

---@param text string
---@param expression string
---@param namespaces? table<string, string>
---@return any[]? values
---@return string? reason
function xml.xpath_all(text, expression, namespaces) end

---@class Run
---@field id string
---@field name string
run = {}

---Ends the run at once, with its report and exit code 3.
---@param reason string
function run.abort(reason) end

---------------------------------------------------------------------------------------- globals

---The null of JSON, and of lists.
null = nil

---Variables of the run: -e, --env-file, and the environment; nil where one is not given.
---@type table<string, string?>
env = {}

---Prints values, separated by tabs, with core and user.
---@param ... any
function log(...) end

---Marks a table as a JSON array, so that an empty one is written [].
---@generic T
---@param list? T[]
---@return T[]
function array(list) end

---A whole number above 2^53, from its digits.
---@param digits string|number
---@return any
function integer(digits) end

---The content of a file below the script's folder; at the top of the file and in `setup` only.
---@param name string
---@return string
function read(name) end
