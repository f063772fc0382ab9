#include "remote/http_session.h"

#include <algorithm>
#include <new>
#include <utility>

#include "remote/http_exchange.h"

namespace larder::remote {
namespace {

constexpr int most_redirections = 3;

struct FreeMulti {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};

constexpr bool is_redirection(long status) noexcept {
  return status == 301 || status == 302 || status == 307 || status == 308;
}

// What holds for the other requests as well.
constexpr bool is_silence(Errc code) noexcept {
  return code == Errc::timed_out || code == Errc::unreachable;
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
      : endpoint_(std::move(endpoint)), multi_(curl_multi_init()) {
    if (!multi_) throw std::bad_alloc();
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(most_parallel));
  }

  std::vector<Result<HttpAnswer>> perform_all(std::span<const HttpRequest> requests,
                                              const Patience& patience) override;

 private:
  // One request that has an exchange, until it has its answer.
  struct Running {
    std::unique_ptr<HttpExchange> exchange;
    HttpRequest request;  // to where it was redirected
    std::size_t number = 0;
    int hops = 0;
  };

  // What one call has under way. Goes before the session, and libcurl forgets its handles then.
  struct Call {
    std::span<const HttpRequest> requests;
    const Patience& patience;
    std::vector<Result<HttpAnswer>> answers;
    std::vector<Running> running = {};
    std::size_t sent = 0;
    std::optional<Error> silence = {};  // of the server; nothing more is sent
  };

  void fill(Call& call);
  void start(Call& call, Running running);
  void settle(Call& call, std::size_t place, Result<HttpAnswer> answer);
  bool redirected(Call& call, Running& running, Result<HttpAnswer>& answer);
  bool settle_finished(Call& call);
  void settle_late(Call& call);
  void wait(const Call& call) const noexcept;

  const HttpEndpoint endpoint_;
  const std::unique_ptr<CURLM, FreeMulti> multi_;
  std::vector<std::unique_ptr<HttpExchange>> idle_;
};

void CurlSession::start(Call& call, Running running) {
  call.running.push_back(std::move(running));
  Running& now = call.running.back();
  now.exchange->prepare(now.request, call.patience);
  if (curl_multi_add_handle(multi_.get(), now.exchange->handle()) != CURLM_OK) {
    throw std::bad_alloc();
  }
}

void CurlSession::fill(Call& call) {
  while (!call.silence && call.sent < call.requests.size() && call.running.size() < most_parallel) {
    if (idle_.empty()) idle_.push_back(std::make_unique<HttpExchange>(endpoint_));
    Running running{.exchange = std::move(idle_.back()),
                    .request = call.requests[call.sent],
                    .number = call.sent};
    idle_.pop_back();
    ++call.sent;
    start(call, std::move(running));
  }
}

// Whether the request is under way again, to where it was sent.
bool CurlSession::redirected(Call& call, Running& running, Result<HttpAnswer>& answer) {
  if (!answer || !is_redirection(answer->status)) return false;
  const std::string url = running.exchange->redirection();
  const std::string& asked = call.requests[running.number].url;
  if (running.hops == most_redirections || origin_of(url) != origin_of(asked)) {
    answer = std::unexpected(Error{.code = Errc::io_error,
                                   .message = endpoint_.shown +
                                              ": redirects elsewhere, which is not followed; name "
                                              "the place that it redirects to"});
    return false;
  }
  running.request.url = url;
  ++running.hops;
  start(call, std::move(running));
  return true;
}

// Taking the handle out closes a connection that is not finished.
void CurlSession::settle(Call& call, std::size_t place, Result<HttpAnswer> answer) {
  Running running = std::move(call.running[place]);
  call.running.erase(call.running.begin() + static_cast<std::ptrdiff_t>(place));
  curl_multi_remove_handle(multi_.get(), running.exchange->handle());
  if (redirected(call, running, answer)) return;
  if (!answer && is_silence(answer.error().code)) call.silence = answer.error();
  call.answers[running.number] = std::move(answer);
  idle_.push_back(std::move(running.exchange));
}

bool CurlSession::settle_finished(Call& call) {
  bool any = false;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    const auto at = std::ranges::find(call.running, message->easy_handle,
                                      [](const Running& each) { return each.exchange->handle(); });
    const CURLcode code = message->data.result;
    settle(call, static_cast<std::size_t>(at - call.running.begin()), at->exchange->answer(code));
    any = true;
  }
  return any;
}

// Our own limits: libcurl knows none for silence, and looks at its others once a second.
void CurlSession::settle_late(Call& call) {
  for (std::size_t i = call.running.size(); i-- > 0;) {
    HttpExchange& exchange = *call.running[i].exchange;
    const auto silent_at = exchange.silent_until(call.patience);
    if (call.patience.wait_until(silent_at).left().count() != 0) continue;
    settle(call, i, exchange.answer(CURLE_OPERATION_TIMEDOUT));
  }
}

void CurlSession::wait(const Call& call) const noexcept {
  auto until = call.patience.deadline;
  for (const Running& each : call.running) {
    until = std::min(until, each.exchange->silent_until(call.patience));
  }
  const int left_ms = static_cast<int>(call.patience.wait_until(until).slice().count());
  curl_multi_poll(multi_.get(), nullptr, 0, left_ms, nullptr);
}

std::vector<Result<HttpAnswer>> CurlSession::perform_all(std::span<const HttpRequest> requests,
                                                         const Patience& patience) {
  Call call{.requests = requests, .patience = patience, .answers = {}};
  call.answers.resize(requests.size());
  call.running.reserve(most_parallel);
  for (fill(call); !call.running.empty(); fill(call)) {
    int running = 0;
    if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) throw std::bad_alloc();
    if (settle_finished(call)) continue;
    settle_late(call);
    if (!call.running.empty()) wait(call);
  }
  for (std::size_t i = call.sent; i < requests.size(); ++i) {
    call.answers[i] = std::unexpected(*call.silence);
  }
  return std::move(call.answers);
}

// Counted by libcurl: the host may use it as well, before and after.
bool start_curl() noexcept {
  static const bool started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return started;
}

}  // namespace

std::optional<std::int64_t> parse_http_date(const std::string& text) noexcept {
  const time_t time = curl_getdate(text.c_str(), nullptr);
  if (time == -1) return std::nullopt;
  return time;
}

std::unique_ptr<HttpSession> HttpSession::make(const HttpEndpoint& endpoint) {
  if (!start_curl()) throw std::bad_alloc();
  return std::make_unique<CurlSession>(endpoint);
}

}  // namespace larder::remote
