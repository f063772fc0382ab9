// How much one reply of a Redis server may have allocated for lists.
#ifndef LARDER_REMOTE_REDIS_REPLY_BOUND_H_
#define LARDER_REMOTE_REDIS_REPLY_BOUND_H_

#include <cstdint>
#include <memory>

struct redisReader;

namespace larder::remote {

// hiredis' reader allocates an array as soon as it has heard how many elements there are, and an
// object for each: "*444444440" and nothing behind it would cost 3.5 GB. Bound to `reader`, which
// is not used after this has ended; it says "out of memory" to a reply with too many elements.
class RedisReplyBound {
 public:
  // Of one reply, lists within lists included. That many take 18 MB, and no map of slots has more.
  static constexpr std::uint64_t most_elements = 256 * 1024;

  RedisReplyBound();
  ~RedisReplyBound();

  // Once. It has to outlive `reader`, which it is used by until the end.
  void bind(redisReader& reader) noexcept;

  void begin_reply() noexcept;

 private:
  struct Functions;
  const std::unique_ptr<Functions> functions_;
};

}  // namespace larder::remote

#endif  // LARDER_REMOTE_REDIS_REPLY_BOUND_H_
