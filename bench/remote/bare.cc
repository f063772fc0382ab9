#include "remote/bare.h"

#include <curl/curl.h>
#include <hiredis/hiredis.h>

#include <stdexcept>

namespace larder::bench {
namespace {

struct FreeRedis {
  void operator()(redisContext* context) const noexcept { redisFree(context); }
  void operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }
};
struct FreeEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};

class BareRedis final : public BareClient {
 public:
  BareRedis(const std::string& host, int port) : context_(redisConnect(host.c_str(), port)) {
    if (!context_ || context_->err != 0) throw std::runtime_error("no Redis server there");
  }
  std::size_t get(const std::string& name) override {
    const std::string key = "larder:" + name;
    const std::unique_ptr<redisReply, FreeRedis> reply(
        static_cast<redisReply*>(redisCommand(context_.get(), "GET %b", key.data(), key.size())));
    if (!reply || reply->type != REDIS_REPLY_STRING) throw std::runtime_error("no such key");
    return reply->len;
  }

 private:
  const std::unique_ptr<redisContext, FreeRedis> context_;
};

class BareHttp final : public BareClient {
 public:
  explicit BareHttp(std::string base) : base_(std::move(base)), easy_(curl_easy_init()) {
    curl_easy_setopt(easy_.get(), CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(easy_.get(), CURLOPT_WRITEDATA, &body_);
    curl_easy_setopt(easy_.get(), CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy_.get(), CURLOPT_NOSIGNAL, 1L);
  }
  std::size_t get(const std::string& name) override {
    body_.clear();
    curl_easy_setopt(easy_.get(), CURLOPT_URL, (base_ + "/" + name).c_str());
    if (curl_easy_perform(easy_.get()) != CURLE_OK) throw std::runtime_error("no such object");
    return body_.size();
  }

 private:
  static std::size_t keep(char* from, std::size_t, std::size_t bytes, void* body) {
    static_cast<std::string*>(body)->append(from, bytes);
    return bytes;
  }

  const std::string base_;
  const std::unique_ptr<CURL, FreeEasy> easy_;
  std::string body_;
};

}  // namespace

std::unique_ptr<BareClient> make_bare_redis(const std::string& host, int port) {
  return std::make_unique<BareRedis>(host, port);
}

std::unique_ptr<BareClient> make_bare_http(const std::string& base_url) {
  return std::make_unique<BareHttp>(base_url);
}

}  // namespace larder::bench
