// What a remote tier is asked for: objects by name, bytes in, bytes out. A transport knows a server
// and its protocol, and nothing of what the bytes mean: whoever asks verifies them.
//
// Every call ends within its Patience. Errors:
//   timed_out          the server was too slow; nothing is known about the object
//   unreachable        nobody answers, the connection was cut, or the server is not ready
//   permission_denied  the server knows us and refuses, or does not know us
//   too_large          the object, or what the server takes for one, is over the limit
//   no_space           the server is full
//   unsupported        this server has no such operation
//   io_error           the server said what the protocol does not allow
// No message has a secret in it, nor words of the server's: it may send back what it was sent.
#ifndef LARDER_REMOTE_TRANSPORT_H_
#define LARDER_REMOTE_TRANSPORT_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "larder/artifact.h"
#include "larder/error.h"
#include "larder/store.h"
#include "os/wait_limit.h"

namespace larder::remote {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How long one attempt may take.
struct Patience {
  Clock::time_point deadline;  // of the attempt, connection included
  milliseconds connect;        // until the connection stands, the host's name looked up included
  milliseconds silence;        // without a byte from the server, once it stands
  std::stop_token stop = {};   // once requested, the attempt has timed out

  // Of a wait that ends at `until`, and with the attempt.
  os::WaitLimit wait_until(Clock::time_point until) const noexcept {
    return {std::min(deadline, until), stop};
  }
};

using Pieces = std::span<const std::span<const std::byte>>;

struct Object {
  std::string_view name;
  std::uint64_t bytes = 0;
};
using ObjectVisitor = std::function<Visit(const Object&)>;

// An error where only a part could be listed: that of one of several servers, when another one's
// was listed to its end.
using Listed = Result<std::optional<Error>>;

// Names are of letters, digits, `.`, `-`, `_` and single slashes between them, 200 bytes at most.
// Any number of threads. Not to be used in a forked child: make another one there.
class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  // The bytes; nullopt: no such object. What is over `max_bytes` is cut off while it arrives.
  virtual Result<std::optional<ArtifactBuffer>> get(std::string_view name, std::uint64_t max_bytes,
                                                    const Patience& patience) = 0;

  // One get for each name, in the same order; a failed one does not disturb the others. Who can
  // asks for all of them before it waits for the first.
  virtual std::vector<Result<std::optional<ArtifactBuffer>>> get_many(
      std::span<const std::string> names, std::uint64_t max_bytes, const Patience& patience) {
    std::vector<Result<std::optional<ArtifactBuffer>>> answers;
    for (const std::string& name : names) answers.push_back(get(name, max_bytes, patience));
    return answers;
  }

  // Afterwards the object has these bytes, one piece after another. Others see the old object or
  // the new one. After an error it is one of the two.
  virtual Result<void> put(std::string_view name, Pieces pieces, const Patience& patience) = 0;

  // The object's length; nullopt: no such object.
  virtual Result<std::optional<std::uint64_t>> size(std::string_view name,
                                                    const Patience& patience) = 0;

  // Whether there was one.
  virtual Result<bool> remove(std::string_view name, const Patience& patience) = 0;

  // Whether there are listings at all, and if not, `unsupported`. Known without asking the server.
  virtual Result<void> can_list() const { return {}; }

  // Every object whose name begins so, in no order; one that is put or removed meanwhile may be
  // seen or not. The visitor may call the transport. `patience` is for each question to the server.
  // After an error what was seen is there, and more may be.
  virtual Listed list(std::string_view prefix, const ObjectVisitor& visitor,
                      const Patience& patience) = 0;

  // What time the server says it is, in seconds since 1970; nullopt: it does not say.
  virtual Result<std::optional<std::int64_t>> time_s(const Patience&) { return std::nullopt; }

  // Of a transport to several servers: whether some do not answer, while others do.
  virtual bool is_partly_up() const noexcept { return false; }
};

}  // namespace larder::remote

#endif  // LARDER_REMOTE_TRANSPORT_H_
