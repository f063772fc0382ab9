#include "remote/http_session.h"

#include <curl/curl.h>

#include <algorithm>
#include <new>
#include <tuple>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "remote/http_body.h"

namespace larder::remote {
namespace {

constexpr std::uint64_t largest_headers = 64 * 1024;
constexpr int most_redirections = 3;

// CURL and CURLM are both void or both of no type of their own, by version: by name, then.
struct FreeEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct FreeCurl {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
  void operator()(char* text) const noexcept { curl_free(text); }
};

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
    {CURLE_GOT_NOTHING, Errc::unreachable, "the connection was cut; is the server up?"},
    {CURLE_SEND_ERROR, Errc::unreachable, "the connection was cut; is the server up?"},
    {CURLE_RECV_ERROR, Errc::unreachable, "the connection was cut; is the server up?"},
    {CURLE_PARTIAL_FILE, Errc::unreachable, "the answer was cut off; is the server up?"},
    {CURLE_FILESIZE_EXCEEDED, Errc::too_large, "sends more than was asked for"},
    {CURLE_OUT_OF_MEMORY, Errc::out_of_memory, "there is no memory for the request"},
    {CURLE_PEER_FAILED_VERIFICATION, Errc::permission_denied,
     "its certificate is not trusted; name the one that signed it with @ca-file"},
    {CURLE_SSL_CACERT_BADFILE, Errc::permission_denied, "@ca-file cannot be read; mend it"},
    {CURLE_SSL_CONNECT_ERROR, Errc::io_error, "does not speak TLS; is it http:// there?"},
};

// One request's state, which the callbacks share.
struct Exchange {
  explicit Exchange(const HttpRequest& request)
      : source(request.body.value_or(Pieces())), sink(request.max_answer_bytes) {}

  CURL* easy = nullptr;
  UploadSource source;
  DownloadSink sink;
  std::uint64_t header_bytes = 0;
  Clock::time_point last_heard = Clock::now();
  std::optional<Error> failure;  // of the callbacks, which can only say no
};

std::optional<std::uint64_t> announced_length(CURL* easy) noexcept {
  curl_off_t length = -1;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length < 0) return std::nullopt;
  return static_cast<std::uint64_t>(length);
}

long status_of(CURL* easy) noexcept {
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

constexpr bool is_success(long status) noexcept { return status >= 200 && status < 300; }
constexpr bool is_redirection(long status) noexcept {
  return status == 301 || status == 302 || status == 307 || status == 308;
}

std::size_t read_body(char* into, std::size_t, std::size_t bytes, void* exchange) {
  auto& now = *static_cast<Exchange*>(exchange);
  now.last_heard = Clock::now();
  return now.source.read(std::as_writable_bytes(std::span(into, bytes)));
}

int rewind_body(void* exchange, curl_off_t offset, int origin) {
  if (offset != 0 || origin != 0 /* SEEK_SET */) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Exchange*>(exchange)->source.rewind();
  return CURL_SEEKFUNC_OK;
}

// What stands in an answer that is no success is for people, and is passed over.
std::size_t write_body(char* from, std::size_t, std::size_t bytes, void* exchange) {
  auto& now = *static_cast<Exchange*>(exchange);
  now.last_heard = Clock::now();
  if (!is_success(status_of(now.easy))) {
    now.header_bytes += bytes;
    return now.header_bytes > largest_headers ? 0 : bytes;
  }
  const auto written = guarded([&] {
    return now.sink.write(std::as_bytes(std::span(from, bytes)), announced_length(now.easy));
  });
  if (!written) now.failure = written.error();
  return written ? bytes : 0;
}

std::size_t hear_header(char*, std::size_t, std::size_t bytes, void* exchange) {
  auto& now = *static_cast<Exchange*>(exchange);
  now.last_heard = Clock::now();
  now.header_bytes += bytes;
  return now.header_bytes > largest_headers ? 0 : bytes;
}

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  const std::unique_ptr<char, FreeCurl> owned(text);
  return owned.get();
}

// Scheme, host and port: who would get the credentials.
std::string origin_of(const std::string& text) {
  const std::unique_ptr<CURLU, FreeCurl> url(curl_url());
  if (!url) throw std::bad_alloc();
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return {};
  return part_of(url.get(), CURLUPART_SCHEME) + "://" + part_of(url.get(), CURLUPART_HOST) + ":" +
         part_of(url.get(), CURLUPART_PORT);
}

class CurlSession final : public HttpSession {
 public:
  explicit CurlSession(HttpEndpoint endpoint)
      : endpoint_(std::move(endpoint)),
        sigv4_(endpoint_.aws_region.empty() ? "" : "aws:amz:" + endpoint_.aws_region + ":s3"),
        multi_(curl_multi_init()),
        easy_(curl_easy_init()) {
    if (!multi_ || !easy_) throw std::bad_alloc();
  }

  Result<HttpAnswer> perform(const HttpRequest& request, const Patience& patience) override;

 private:
  template <class Value>
  void set(CURLoption option, Value value) noexcept {
    curl_easy_setopt(easy_.get(), option, value);
  }
  void prepare(const HttpRequest& request, const curl_slist* headers, Exchange& exchange);
  void authenticate() noexcept;
  CURLcode run(Exchange& exchange, const Patience& patience) noexcept;
  CURLcode outcome() noexcept;
  Result<HttpAnswer> exchange(const HttpRequest& request, const Patience& patience);
  std::unexpected<Error> failed(CURLcode code, const Exchange& exchange) const;
  std::string redirection() const;

  const HttpEndpoint endpoint_;
  const std::string sigv4_;
  const std::unique_ptr<CURLM, FreeMulti> multi_;
  const std::unique_ptr<CURL, FreeEasy> easy_;
};

void CurlSession::authenticate() noexcept {
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

// No proxy, no netrc, no cookies, no redirections of libcurl's own: only what the tier was told.
void CurlSession::prepare(const HttpRequest& request, const curl_slist* headers,
                          Exchange& exchange) {
  exchange.easy = easy_.get();
  curl_easy_reset(easy_.get());
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "larder/" LARDER_VERSION);
  set(CURLOPT_CUSTOMREQUEST, request.method);
  set(CURLOPT_HTTPHEADER, headers);
  set(CURLOPT_HEADERFUNCTION, hear_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, write_body);
  set(CURLOPT_WRITEDATA, &exchange);
  const bool is_head = std::string_view(request.method) == "HEAD";
  if (is_head) set(CURLOPT_NOBODY, 1L);
  if (!is_head && request.max_answer_bytes != 0) {
    set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request.max_answer_bytes));
  }
  if (request.body) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, read_body);
    set(CURLOPT_READDATA, &exchange);
    set(CURLOPT_SEEKFUNCTION, rewind_body);
    set(CURLOPT_SEEKDATA, &exchange);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(exchange.source.total_bytes()));
    set(CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);  // many servers never say `100 Continue`
  }
  if (!endpoint_.ca_file.empty()) set(CURLOPT_CAINFO, endpoint_.ca_file.c_str());
  authenticate();
}

CURLcode CurlSession::outcome() noexcept {
  int left = 0;
  const CURLMsg* message = curl_multi_info_read(multi_.get(), &left);
  return message == nullptr ? CURLE_OPERATION_TIMEDOUT : message->data.result;
}

// A loop of our own: libcurl knows no limit for silence, and looks at its others once a second.
CURLcode CurlSession::run(Exchange& exchange, const Patience& patience) noexcept {
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(patience.connect.count()));
  exchange.last_heard = Clock::now() + patience.connect;
  if (curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
  for (;;) {
    int running = 0;
    if (curl_multi_perform(multi_.get(), &running) != CURLM_OK || running == 0) break;
    const auto silent_until = exchange.last_heard + patience.silence;
    const milliseconds left = time_left(std::min(patience.deadline, silent_until));
    if (left.count() == 0) break;
    curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(left.count()), nullptr);
  }
  const CURLcode code = outcome();
  curl_multi_remove_handle(multi_.get(), easy_.get());  // closes a connection that is not finished
  return code;
}

std::unexpected<Error> CurlSession::failed(CURLcode code, const Exchange& exchange) const {
  const auto meaning = std::ranges::find(meanings, code, &Meaning::curl);
  const bool known = meaning != std::end(meanings);
  Errc errc = known ? meaning->code : Errc::io_error;
  if (exchange.failure) errc = exchange.failure->code;
  const char* what = known ? meaning->what : "does not speak HTTP as it should; is the URL right?";
  if (errc == Errc::too_large) what = "sends more than was asked for";
  return std::unexpected(Error{.code = errc, .message = endpoint_.shown + ": " + what});
}

Result<HttpAnswer> CurlSession::exchange(const HttpRequest& request, const Patience& patience) {
  std::unique_ptr<curl_slist, FreeCurl> headers;
  std::vector<std::string> lines = request.headers;
  // What is sent carries a tag of its own; hashing it once more would only take time. The header
  // itself has to be there, and is signed.
  if (!sigv4_.empty()) lines.emplace_back("x-amz-content-sha256: UNSIGNED-PAYLOAD");
  if (!endpoint_.aws_session_token.empty()) {
    lines.push_back("x-amz-security-token: " + endpoint_.aws_session_token);
  }
  for (const std::string& header : lines) {
    curl_slist* longer = curl_slist_append(headers.get(), header.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    std::ignore = headers.release();
    headers.reset(longer);
  }
  Exchange exchange(request);
  prepare(request, headers.get(), exchange);
  const CURLcode code = run(exchange, patience);
  if (code != CURLE_OK) return failed(code, exchange);
  HttpAnswer answer{.status = status_of(easy_.get()),
                    .content_length = announced_length(easy_.get())};
  if (is_success(answer.status)) {
    LARDER_TRY(answer.body, exchange.sink.take());
  }
  return answer;
}

std::string CurlSession::redirection() const {
  char* url = nullptr;  // libcurl's own
  curl_easy_getinfo(easy_.get(), CURLINFO_REDIRECT_URL, &url);
  return url == nullptr ? std::string() : std::string(url);
}

Result<HttpAnswer> CurlSession::perform(const HttpRequest& request, const Patience& patience) {
  HttpRequest now = request;
  for (int hops = 0;; ++hops) {
    LARDER_TRY(HttpAnswer answer, exchange(now, patience));
    if (!is_redirection(answer.status)) return answer;
    now.url = redirection();
    if (hops == most_redirections || origin_of(now.url) != origin_of(request.url)) {
      return std::unexpected(Error{.code = Errc::io_error,
                                   .message = endpoint_.shown +
                                              ": redirects elsewhere, which is not followed; name "
                                              "the place that it redirects to"});
    }
  }
}

// Counted by libcurl: the host may use it as well, before and after.
bool start_curl() noexcept {
  static const bool started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return started;
}

}  // namespace

std::unique_ptr<HttpSession> HttpSession::make(const HttpEndpoint& endpoint) {
  if (!start_curl()) throw std::bad_alloc();
  return std::make_unique<CurlSession>(endpoint);
}

}  // namespace larder::remote
