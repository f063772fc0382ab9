#include "remote/redis_reply_bound.h"

#include <hiredis/hiredis.h>

namespace larder::remote {

// What makes the objects of a reply.
struct RedisReplyBound::Functions : redisReplyObjectFunctions {
  void take_over(const redisReplyObjectFunctions& functions) noexcept {
    static_cast<redisReplyObjectFunctions&>(*this) = functions;
    hiredis = &functions;
    // The type of `elements` differs between versions of hiredis.
    createArray = [](const redisReadTask* task, auto elements) {
      return static_cast<Functions*>(task->privdata)->make_array(task, elements);
    };
  }

  template <class Count>
  void* make_array(const redisReadTask* task, Count elements) {
    if (elements < 0 || static_cast<std::uint64_t>(elements) > elements_left) return nullptr;
    elements_left -= static_cast<std::uint64_t>(elements);
    return hiredis->createArray(task, elements);
  }

  const redisReplyObjectFunctions* hiredis = nullptr;
  std::uint64_t elements_left = most_elements;
};

RedisReplyBound::RedisReplyBound() : functions_(std::make_unique<Functions>()) {}
RedisReplyBound::~RedisReplyBound() = default;

void RedisReplyBound::bind(redisReader& reader) noexcept {
  functions_->take_over(*reader.fn);
  reader.privdata = functions_.get();
  reader.fn = functions_.get();
}

void RedisReplyBound::begin_reply() noexcept { functions_->elements_left = most_elements; }

}  // namespace larder::remote
