// One HTTP request under way: libcurl's handle for it, what goes up, and what has come down.
#ifndef LARDER_REMOTE_HTTP_EXCHANGE_H_
#define LARDER_REMOTE_HTTP_EXCHANGE_H_

#include <curl/curl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "remote/http_body.h"
#include "remote/http_session.h"

namespace larder::remote {

// CURL is void or no type of its own, by version: by name, then.
struct FreeEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct FreeCurl {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
  void operator()(char* text) const noexcept { curl_free(text); }
};

// Used for one request after another. The endpoint outlives it.
class HttpExchange {
 public:
  explicit HttpExchange(const HttpEndpoint& endpoint);
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;
  ~HttpExchange() = default;

  // Makes the handle ready for `request`, which must last until the answer is taken.
  void prepare(const HttpRequest& request, const Patience& patience);

  CURL* handle() const noexcept { return easy_.get(); }

  // When the server will have been silent for too long.
  Clock::time_point silent_until(const Patience& patience) const noexcept {
    return last_heard_ + patience.silence;
  }

  // To a request that ended with this code.
  Result<HttpAnswer> answer(CURLcode code);

  // Where the answer sends us.
  std::string redirection() const;

 private:
  template <class Value>
  void set(CURLoption option, Value value) noexcept {
    curl_easy_setopt(easy_.get(), option, value);
  }
  void prepare_body(const HttpRequest& request);
  void prepare_headers(const HttpRequest& request);
  void authenticate() noexcept;
  long status() const noexcept;
  std::optional<std::uint64_t> announced_length() const noexcept;
  std::string header(const char* name) const;
  std::unexpected<Error> failed(CURLcode code) const;

  // libcurl's callbacks; `self` is the exchange.
  static std::size_t read_body(char* into, std::size_t, std::size_t bytes, void* self);
  static int rewind_body(void* self, curl_off_t offset, int origin);
  static std::size_t write_body(char* from, std::size_t, std::size_t bytes, void* self);
  static int hear_connection(void* self, char*, char*, int, int);
  static std::size_t hear_header(char*, std::size_t, std::size_t bytes, void* self);

  const HttpEndpoint& endpoint_;
  const std::string sigv4_;
  const std::unique_ptr<CURL, FreeEasy> easy_;
  std::unique_ptr<curl_slist, FreeCurl> headers_;
  std::span<const char* const> wanted_headers_;
  UploadSource source_{Pieces()};
  DownloadSink sink_{0};
  std::uint64_t passed_over_ = 0;  // bytes of headers, and of bodies that nobody reads
  bool is_cut_off_ = false;        // the rest of such a body
  Body answer_body_ = Body::wanted;
  Clock::time_point last_heard_;
  std::optional<Error> failure_;  // of the callbacks, which can only say no
};

}  // namespace larder::remote

#endif  // LARDER_REMOTE_HTTP_EXCHANGE_H_
