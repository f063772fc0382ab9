#include "remote/http_exchange.h"

#include <algorithm>
#include <new>
#include <tuple>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"

namespace larder::remote {
namespace {

constexpr std::uint64_t largest_headers = 64 * 1024;

// What libcurl's codes are to a transport.
struct Meaning {
  CURLcode curl;
  Errc code;
  const char* what;
};
constexpr Meaning meanings[] = {
    {CURLE_OPERATION_TIMEDOUT, Errc::timed_out, "did not answer in time; is it overloaded?"},
    {CURLE_COULDNT_RESOLVE_HOST, Errc::unreachable, "the host's name has no address; mend the URL"},
    {CURLE_COULDNT_CONNECT, Errc::unreachable, "cannot be connected to; is the server up?"},
    {CURLE_GOT_NOTHING, Errc::unreachable,
     "the connection was cut; is the server up, and does it speak HTTP?"},
    {CURLE_SEND_ERROR, Errc::unreachable, "the connection was cut; is the server up?"},
    {CURLE_RECV_ERROR, Errc::unreachable, "the connection was cut; is the server up?"},
    {CURLE_PARTIAL_FILE, Errc::unreachable, "the answer was cut off; is the server up?"},
    {CURLE_FILESIZE_EXCEEDED, Errc::too_large, "sends more than was asked for"},
    {CURLE_OUT_OF_MEMORY, Errc::out_of_memory, "there is no memory for the request"},
    {CURLE_PEER_FAILED_VERIFICATION, Errc::permission_denied,
     "its certificate is not trusted; name who signed it with @ca-file, and the host that it is "
     "for"},
    {CURLE_SSL_CACERT_BADFILE, Errc::permission_denied,
     "no certificate of @ca-file can be read; mend it"},
    {CURLE_SSL_CONNECT_ERROR, Errc::io_error, "does not speak TLS; is it http:// there?"},
};

constexpr bool is_success(long status) noexcept { return status >= 200 && status < 300; }

}  // namespace

HttpExchange::HttpExchange(const HttpEndpoint& endpoint)
    : endpoint_(endpoint),
      sigv4_(endpoint.aws_region ? "aws:amz:" + *endpoint.aws_region + ":s3" : ""),
      easy_(curl_easy_init()) {
  if (!easy_) throw std::bad_alloc();
}

std::optional<std::uint64_t> HttpExchange::announced_length() const noexcept {
  curl_off_t length = -1;
  curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length < 0) return std::nullopt;
  return static_cast<std::uint64_t>(length);
}

long HttpExchange::status() const noexcept {
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::size_t HttpExchange::read_body(char* into, std::size_t, std::size_t bytes, void* self) {
  auto& now = *static_cast<HttpExchange*>(self);
  now.last_heard_ = Clock::now();
  return now.source_.read(std::as_writable_bytes(std::span(into, bytes)));
}

int HttpExchange::rewind_body(void* self, curl_off_t offset, int origin) {
  if (offset != 0 || origin != 0 /* SEEK_SET */) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<HttpExchange*>(self)->source_.rewind();
  return CURL_SEEKFUNC_OK;
}

// What stands in an answer that is no success is for people, and is passed over: its end is not
// waited for where it is long, and the status is the answer.
std::size_t HttpExchange::write_body(char* from, std::size_t, std::size_t bytes, void* self) {
  auto& now = *static_cast<HttpExchange*>(self);
  now.last_heard_ = Clock::now();
  if (!is_success(now.status()) || now.answer_body_ == Body::passed_over) {
    now.passed_over_ += bytes;
    now.is_cut_off_ = now.passed_over_ > largest_headers;
    return now.is_cut_off_ ? 0 : bytes;
  }
  const auto written = guarded([&] {
    return now.sink_.write(std::as_bytes(std::span(from, bytes)), now.announced_length());
  });
  if (!written) now.failure_ = written.error();
  return written ? bytes : 0;
}

// It stands, newly made or kept, and the request goes out: from now on the server is silent.
int HttpExchange::hear_connection(void* self, char*, char*, int, int) {
  static_cast<HttpExchange*>(self)->last_heard_ = Clock::now();
  return CURL_PREREQFUNC_OK;
}

std::size_t HttpExchange::hear_header(char*, std::size_t, std::size_t bytes, void* self) {
  auto& now = *static_cast<HttpExchange*>(self);
  now.last_heard_ = Clock::now();
  now.passed_over_ += bytes;
  return now.passed_over_ > largest_headers ? 0 : bytes;
}

void HttpExchange::authenticate() noexcept {
  if (!sigv4_.empty()) {
    set(CURLOPT_AWS_SIGV4, sigv4_.c_str());
    set(CURLOPT_USERNAME, endpoint_.user.c_str());
    set(CURLOPT_PASSWORD, endpoint_.password.c_str());
  } else if (!endpoint_.bearer_token.empty()) {
    set(CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    set(CURLOPT_XOAUTH2_BEARER, endpoint_.bearer_token.c_str());
  } else if (!endpoint_.user.empty()) {
    set(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    set(CURLOPT_USERNAME, endpoint_.user.c_str());
    set(CURLOPT_PASSWORD, endpoint_.password.c_str());
  }
}

void HttpExchange::prepare_headers(const HttpRequest& request) {
  std::vector<std::string> lines = request.headers;
  // What is sent carries a tag of its own; hashing it once more would only take time. The header
  // itself has to be there, and is signed.
  if (!sigv4_.empty()) lines.emplace_back("x-amz-content-sha256: UNSIGNED-PAYLOAD");
  if (!endpoint_.aws_session_token.empty()) {
    lines.push_back("x-amz-security-token: " + endpoint_.aws_session_token);
  }
  headers_.reset();
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    std::ignore = headers_.release();
    headers_.reset(longer);
  }
  set(CURLOPT_HTTPHEADER, headers_.get());
}

void HttpExchange::prepare_body(const HttpRequest& request) {
  sink_ = DownloadSink(request.max_answer_bytes);
  source_ = UploadSource(request.body.value_or(Pieces()));
  set(CURLOPT_WRITEFUNCTION, write_body);
  set(CURLOPT_WRITEDATA, this);
  const bool is_head = std::string_view(request.method) == "HEAD";
  if (is_head) set(CURLOPT_NOBODY, 1L);
  if (!is_head && request.max_answer_bytes != 0) {
    set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request.max_answer_bytes));
  }
  if (!request.body) return;
  set(CURLOPT_UPLOAD, 1L);
  set(CURLOPT_READFUNCTION, read_body);
  set(CURLOPT_READDATA, this);
  set(CURLOPT_SEEKFUNCTION, rewind_body);
  set(CURLOPT_SEEKDATA, this);
  set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(source_.total_bytes()));
  set(CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);  // many servers never say `100 Continue`
}

// No proxy, no netrc, no cookies, no redirections of libcurl's own: only what the tier was told.
void HttpExchange::prepare(const HttpRequest& request, const Patience& patience) {
  wanted_headers_ = request.wanted_headers;
  passed_over_ = 0;
  is_cut_off_ = false;
  answer_body_ = request.answer_body;
  failure_.reset();
  last_heard_ = Clock::now() + patience.connect;
  curl_easy_reset(easy_.get());
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  // Whoever gives up while a name is looked up does not wait for the resolver's end.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_USERAGENT, "larder/" LARDER_VERSION);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(patience.connect.count()));
  set(CURLOPT_CUSTOMREQUEST, request.method);
  set(CURLOPT_PREREQFUNCTION, hear_connection);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_HEADERFUNCTION, hear_header);
  set(CURLOPT_HEADERDATA, this);
  prepare_headers(request);
  prepare_body(request);
  if (!endpoint_.ca_file.empty()) {
    set(CURLOPT_CAINFO, endpoint_.ca_file.c_str());
    set(CURLOPT_CAPATH,
        static_cast<const char*>(nullptr));  // in place of the system's, not besides
  }
  authenticate();
}

std::unexpected<Error> HttpExchange::failed(CURLcode code) const {
  const auto meaning = std::ranges::find(meanings, code, &Meaning::curl);
  const bool known = meaning != std::end(meanings);
  Errc errc = known ? meaning->code : Errc::io_error;
  if (failure_) errc = failure_->code;
  const char* what = known ? meaning->what : "does not speak HTTP as it should; is the URL right?";
  if (errc == Errc::too_large) what = "sends more than was asked for";
  return std::unexpected(Error{.code = errc, .message = endpoint_.shown + ": " + what});
}

// One that came twice in different words says nothing.
std::string HttpExchange::header(const char* name) const {
  std::string value;
  curl_header* found = nullptr;
  constexpr int last_request = -1;
  for (std::size_t i = 0; i == 0 || i < found->amount; ++i) {
    const auto said = curl_easy_header(easy_.get(), name, i, CURLH_HEADER, last_request, &found);
    if (said != CURLHE_OK || (i != 0 && value != found->value)) return {};
    value = found->value;
  }
  return value;
}

Result<HttpAnswer> HttpExchange::answer(CURLcode code) {
  // A page for people may be of any length; where it says so beforehand, none of it is read.
  const bool is_long_page = code == CURLE_FILESIZE_EXCEEDED && !is_success(status());
  if (code != CURLE_OK && !is_cut_off_ && !is_long_page) return failed(code);
  HttpAnswer answer{.status = status(), .content_length = announced_length()};
  for (const char* name : wanted_headers_) answer.headers.push_back(header(name));
  if (!is_success(answer.status)) return answer;
  LARDER_TRY(answer.body, sink_.take());
  return answer;
}

std::string HttpExchange::redirection() const {
  char* url = nullptr;  // libcurl's own
  curl_easy_getinfo(easy_.get(), CURLINFO_REDIRECT_URL, &url);
  return url == nullptr ? std::string() : std::string(url);
}

}  // namespace larder::remote
