// One connection to a Redis server. hiredis takes its replies apart. Connecting and sending are our
// own: a write to a connection that the server has closed must not raise SIGPIPE in a host, and
// hiredis has time limits for single system calls only, and none for looking up a name.
#ifndef LARDER_REMOTE_REDIS_CONNECTION_H_
#define LARDER_REMOTE_REDIS_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "remote/pool.h"
#include "remote/redis_inbox.h"
#include "remote/redis_reply_bound.h"
#include "remote/redis_slots.h"
#include "remote/transport.h"

struct redisContext;
struct redisReply;

namespace larder::remote {

struct RedisEndpoint {
  std::string host = {};
  std::uint16_t port = 6379;
  std::string socket_path = {};  // not empty: in place of host and port
  std::string user = {};         // empty: the server's default user
  std::string password = {};
  std::uint32_t database = 0;
  std::string shown = {};  // for messages, without secrets
};

struct FreeRedis {
  void operator()(redisContext* context) const noexcept;
  void operator()(redisReply* reply) const noexcept;
};
using RedisReply = std::unique_ptr<redisReply, FreeRedis>;

// What a command is answered with. A list that nobody asked for is refused before it is read.
enum class RedisAnswer { single, list };

// One thread at a time. After an error that is not the server's own answer it is not usable(): what
// comes late would be taken for the answer to the next question.
class RedisConnection {
 public:
  // Connected, known to the server, and at its database.
  static Result<std::unique_ptr<RedisConnection>> open(const RedisEndpoint& endpoint,
                                                       const Patience& patience);

  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;
  ~RedisConnection();

  bool usable() const noexcept { return usable_; }

  int descriptor() const noexcept;  // to wait on, with others; its owner stays this

  // Not usable, as after a wait for an answer that did not come in time: that error.
  std::unexpected<Error> expire();

  // Whether the server has neither closed it nor sent what nobody asked for. One system call.
  bool is_still_open() const;

  // Not usable, since the server was too slow.
  bool timed_out() const noexcept { return timed_out_; }

  // Whether the server said that it answers nothing now: it is starting, runs a script, has lost
  // its master, or takes no more clients.
  bool is_unready() const noexcept { return is_unready_; }

  // Where the last reply sends us, if that is what it says; receive gives it as unsupported.
  const std::optional<RedisRedirection>& redirection() const noexcept { return redirection_; }

  const std::string& shown() const noexcept { return shown_; }  // for messages

  using Words = std::span<const std::string_view>;

  // Several commands may be sent before their replies are read, in order; `last` is the last
  // argument of the command, in pieces.
  static void append_command(std::string& commands, Words words);
  Result<void> send(std::string_view commands, std::size_t count, const Patience& patience);
  Result<void> send(Words words, Pieces last, const Patience& patience);

  // A reply of at most `max_bytes`, and no error: an error of the server's comes as what
  // transport.h calls it.
  Result<RedisReply> receive(std::uint64_t max_bytes, const Patience& patience,
                             RedisAnswer kind = RedisAnswer::single);

  // The same, for a command that is answered with bytes: they go straight to where they stay.
  // nullopt: there are none. io_error for another kind of answer.
  Result<std::optional<ArtifactBuffer>> receive_bytes(std::uint64_t max_bytes,
                                                      const Patience& patience);

  Result<RedisReply> ask(Words words, std::uint64_t max_bytes, const Patience& patience,
                         RedisAnswer kind = RedisAnswer::single);

 private:
  RedisConnection(const RedisEndpoint& endpoint, std::unique_ptr<redisContext, FreeRedis> context);

  Result<void> introduce(const RedisEndpoint& endpoint, const Patience& patience);
  Result<void> send_all(std::vector<std::span<const std::byte>> pieces, const Patience& patience);
  Result<std::string_view> first_line(const Patience& patience);
  Result<void> check_announced(std::string_view line, RedisAnswer kind, std::uint64_t max_bytes);
  Result<RedisReply> parse_come();
  Result<RedisReply> judge(RedisReply reply);
  void note_answered() noexcept;
  std::unexpected<Error> broken(RedisInbox::Came came);
  std::unexpected<Error> too_long(std::uint64_t max_bytes);
  std::unexpected<Error> broken(Errc code, std::string_view what);

  const std::string shown_;
  RedisReplyBound bound_;  // of the reader of context_
  std::unique_ptr<redisContext, FreeRedis> context_;
  RedisInbox inbox_;
  std::size_t expected_ = 0;  // replies that have not been received yet
  bool usable_ = true;
  bool timed_out_ = false;
  bool is_unready_ = false;
  std::optional<RedisRedirection> redirection_;
};

// A kept one that is still open, null when there is none. The others are closed: a server that was
// started anew, or gives up idle connections, has ended them all.
std::unique_ptr<RedisConnection> take_open(Pool<RedisConnection>& idle);

}  // namespace larder::remote

#endif  // LARDER_REMOTE_REDIS_CONNECTION_H_
