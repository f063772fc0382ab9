#include "remote/redis_connection.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <new>
#include <tuple>
#include <utility>

#include "base/try.h"
#include "os/socket_io.h"
#include "os/socket_open.h"

namespace larder::remote {
namespace {

constexpr std::uint64_t largest_short_reply = 4096;  // of commands that answer with a word
constexpr std::string_view line_end = "\r\n";

timeval to_timeval(milliseconds time) noexcept {
  const auto ms = std::max<long long>(time.count(), 1);  // 0 would mean: for ever
  return {.tv_sec = static_cast<time_t>(ms / 1000),
          .tv_usec = static_cast<suseconds_t>(ms % 1000 * 1000)};
}

std::span<const std::byte> bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// What an error reply means, by how it begins; the rest may repeat what was sent, secrets too.
struct ReplyMeaning {
  std::string_view beginning;
  Errc code;
  std::string_view advice;
};
constexpr std::string_view no_database = "has no such database; mend its number";
constexpr ReplyMeaning meanings[] = {
    {"DENIED", Errc::permission_denied,
     "answers its own machine alone until it has a password; set one, and name its file with "
     "@password-file"},
    {"NOAUTH", Errc::permission_denied, "wants a password; name its file with @password-file"},
    {"WRONGPASS", Errc::permission_denied, "does not know this user and password; mend them"},
    {"ERR invalid password", Errc::permission_denied, "does not know this password; mend it"},
    {"ERR AUTH", Errc::permission_denied, "has no password; leave @password-file out"},
    {"ERR Client sent AUTH", Errc::permission_denied, "has no password; leave @password-file out"},
    {"ERR wrong number of arguments for 'auth'", Errc::permission_denied,
     "knows no users; leave the user out of the URL"},
    {"ERR DB index", Errc::permission_denied, no_database},
    {"ERR invalid DB index", Errc::permission_denied, no_database},
    {"ERR value is out of range", Errc::permission_denied, no_database},  // of 2^31 and above
    {"ERR SELECT is not allowed", Errc::permission_denied,
     "is part of a cluster; use redis-cluster://"},
    {"ERR max number of clients", Errc::unreachable,
     "has as many clients as it takes; raise its maxclients"},
    {"NOPERM", Errc::permission_denied,
     "does not let this user do that; give it the rights that docs/REMOTE.md names (`pull` needs "
     "+scan), or use `read-only`"},
    {"READONLY", Errc::permission_denied, "is a replica; name its master, or use `read-only`"},
    {"OOM", Errc::no_space,
     "is full, and evicts nothing or too little; see its maxmemory and maxmemory-policy"},
    {"MISCONF", Errc::no_space, "takes no writes, since it cannot save; look at its log"},
    {"LOADING", Errc::unreachable, "is starting; try again"},
    {"BUSY", Errc::unreachable, "runs a script; try again"},
    {"TRYAGAIN", Errc::unreachable, "moves slots; try again"},
    {"CLUSTERDOWN", Errc::io_error, "is a cluster that is down; look at its state"},
    {"MASTERDOWN", Errc::unreachable, "has lost its master; look at its log"},
    {"WRONGTYPE", Errc::not_ours, "has something else under that name; use a `namespace`"},
    {"MOVED", Errc::unsupported, "is part of a cluster; use redis-cluster://"},
    {"ASK", Errc::unsupported, "is part of a cluster; use redis-cluster://"},
};

constexpr bool is_upper(char c) noexcept { return c >= 'A' && c <= 'Z'; }

std::string_view first_word(std::string_view text) noexcept {
  return text.substr(
      0, static_cast<std::size_t>(std::ranges::find_if_not(text, is_upper) - text.begin()));
}

constexpr bool begins_with(std::string_view text, std::string_view words) noexcept {
  return text.starts_with(words) && (text.size() == words.size() || !is_upper(text[words.size()]));
}

void append_word(std::string& command, std::string_view word) {
  command += "$" + std::to_string(word.size()) + "\r\n";
  command.append(word).append("\r\n");
}

std::string command_of(RedisConnection::Words words, std::size_t more_words) {
  std::string command = "*" + std::to_string(words.size() + more_words) + "\r\n";
  for (const std::string_view word : words) append_word(command, word);
  return command;
}

using Context = std::unique_ptr<redisContext, FreeRedis>;

std::unexpected<Error> silent(const RedisEndpoint& endpoint) {
  return std::unexpected(
      Error{.code = Errc::timed_out,
            .message = endpoint.shown + ": nobody answered in time; is the server up?"});
}

std::unexpected<Error> not_connected(const RedisEndpoint& endpoint) {
  return std::unexpected(
      Error{.code = Errc::unreachable,
            .message = endpoint.shown + ": cannot be connected to; is the server up?"});
}

Result<Context> connect_unix(const RedisEndpoint& endpoint, const os::WaitLimit& limit) {
  Context context(
      redisConnectUnixWithTimeout(endpoint.socket_path.c_str(), to_timeval(limit.left())));
  const int error = errno;
  if (!context || context->err == 0) return context;
  const bool late = context->err == REDIS_ERR_IO && (error == ETIMEDOUT || error == EAGAIN);
  return late ? silent(endpoint) : not_connected(endpoint);
}

// hiredis would look the name up for as long as the resolver likes.
Result<Context> connect_tcp(const RedisEndpoint& endpoint, const os::WaitLimit& limit) {
  auto socket = os::open_connection(endpoint.host, endpoint.port, limit);
  if (!socket && socket.error().code == Errc::absent) {
    return std::unexpected(
        Error{.code = Errc::unreachable,
              .message = endpoint.shown + ": the host's name has no address; mend the URL"});
  }
  if (!socket) return not_connected(endpoint);
  if (!*socket) return silent(endpoint);
  Context context(redisConnectFd((*socket)->get()));
  if (context) std::ignore = (*socket)->release();
  return context;
}

std::string_view without_end(std::string_view line) noexcept {
  return line.substr(0, line.size() - line_end.size());
}

}  // namespace

void FreeRedis::operator()(redisContext* context) const noexcept { redisFree(context); }
void FreeRedis::operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }

RedisConnection::RedisConnection(const RedisEndpoint& endpoint, Context context)
    : shown_(endpoint.shown), context_(std::move(context)), inbox_(context_->fd) {
  bound_.bind(*context_->reader);
  // Else it frees what it has room for after each answer, and takes it anew from the kernel.
  context_->reader->maxbuf = 4 * RedisInbox::capacity_bytes;
}

RedisConnection::~RedisConnection() = default;

std::unexpected<Error> RedisConnection::broken(Errc code, std::string_view what) {
  usable_ = false;
  timed_out_ = code == Errc::timed_out;
  return std::unexpected(Error{.code = code, .message = shown_ + ": " + std::string(what)});
}

Result<std::unique_ptr<RedisConnection>> RedisConnection::open(const RedisEndpoint& endpoint,
                                                               const Patience& patience) {
  const os::WaitLimit limit = patience.wait_until(Clock::now() + patience.connect);
  const bool is_local = !endpoint.socket_path.empty();
  LARDER_TRY(Context context,
             is_local ? connect_unix(endpoint, limit) : connect_tcp(endpoint, limit));
  if (!context || context->reader == nullptr) throw std::bad_alloc();
  redisSetTimeout(context.get(), to_timeval(patience.silence));
  std::unique_ptr<RedisConnection> connection(new RedisConnection(endpoint, std::move(context)));
  LARDER_CHECK_OK(connection->introduce(endpoint, patience));
  return connection;
}

Result<void> RedisConnection::introduce(const RedisEndpoint& endpoint, const Patience& patience) {
  if (!endpoint.password.empty()) {
    std::vector<std::string_view> words = {"AUTH"};
    if (!endpoint.user.empty()) words.push_back(endpoint.user);
    words.push_back(endpoint.password);
    LARDER_TRY(const auto known, ask(words, largest_short_reply, patience));
  }
  if (endpoint.database != 0) {
    const std::string number = std::to_string(endpoint.database);
    LARDER_TRY(const auto chosen, ask({{"SELECT", number}}, largest_short_reply, patience));
  }
  return {};
}

// Readable are the end, where the server has closed it, and what nobody has asked for.
bool RedisConnection::is_still_open() const {
  const auto ready = os::wait_readable(context_->fd, {.deadline = Clock::now()});
  return ready && *ready == os::Wait::timed_out;
}

void RedisConnection::append_command(std::string& commands, Words words) {
  commands += command_of(words, 0);
}

Result<void> RedisConnection::send(std::string_view commands, std::size_t count,
                                   const Patience& patience) {
  if (count == 0) return {};  // a socket that takes nothing would look like one that is stuck
  expected_ += count;
  return send_all({bytes_of(commands)}, patience);
}

Result<void> RedisConnection::send(Words words, Pieces last, const Patience& patience) {
  std::size_t total = 0;
  for (const auto piece : last) total += piece.size();
  const std::string command = command_of(words, 1) + "$" + std::to_string(total) + "\r\n";
  std::vector<std::span<const std::byte>> pieces = {bytes_of(command)};
  pieces.insert(pieces.end(), last.begin(), last.end());
  pieces.push_back(bytes_of("\r\n"));
  ++expected_;
  return send_all(std::move(pieces), patience);
}

Result<void> RedisConnection::send_all(std::vector<std::span<const std::byte>> pieces,
                                       const Patience& patience) {
  std::span<std::span<const std::byte>> left(pieces);
  while (!left.empty()) {
    const os::WaitLimit limit = patience.wait_until(Clock::now() + patience.silence);
    const auto sent = os::send_some(context_->fd, left, limit);
    if (!sent) return broken(Errc::unreachable, "the connection was cut; is the server up?");
    if (*sent == 0 || limit.left().count() == 0) {
      return broken(Errc::timed_out, "took no data in time; is it overloaded?");
    }
    for (std::size_t taken = *sent; !left.empty();) {
      const std::size_t of_this = std::min(taken, left.front().size());
      left.front() = left.front().subspan(of_this);
      taken -= of_this;
      if (!left.front().empty()) break;
      left = left.subspan(1);
    }
  }
  return {};
}

int RedisConnection::descriptor() const noexcept { return context_->fd; }

std::unexpected<Error> RedisConnection::expire() { return broken(RedisInbox::Came::late); }

// An entry may be too large; a word may not.
std::unexpected<Error> RedisConnection::too_long(std::uint64_t max_bytes) {
  if (max_bytes <= largest_short_reply) {
    return broken(Errc::io_error, "answers at length where a word was expected; is it Redis?");
  }
  return broken(Errc::too_large, "sends more than was asked for");
}

std::unexpected<Error> RedisConnection::broken(RedisInbox::Came came) {
  if (came == RedisInbox::Came::lost) {
    return broken(Errc::unreachable, "the connection was cut; is the server up?");
  }
  if (came == RedisInbox::Came::full) {
    return broken(Errc::io_error, "sends a line that does not end; is it a Redis server?");
  }
  return broken(Errc::timed_out, "did not answer in time; is it overloaded?");
}

// With which an answer begins: what kind it is, and how long it says it is. Ends with its "\r\n",
// and stays where it is.
Result<std::string_view> RedisConnection::first_line(const Patience& patience) {
  for (;;) {
    const std::string_view text = inbox_.text();
    const std::size_t end = text.find(line_end);
    if (end != std::string_view::npos) return text.substr(0, end + line_end.size());
    const auto came = inbox_.wait(patience);
    if (came != RedisInbox::Came::some) return broken(came);
  }
}

// Before it is read, let alone allocated.
Result<void> RedisConnection::check_announced(std::string_view line, RedisAnswer kind,
                                              std::uint64_t max_bytes) {
  line = without_end(line);
  if (line.empty() || !std::string_view("+-:$*").contains(line.front())) {
    return broken(Errc::io_error, "does not speak as Redis does; is the port right?");
  }
  // What comes for a word of four bytes takes up seventy.
  if (line.front() == '*' && kind == RedisAnswer::single) {
    return broken(Errc::io_error,
                  "answers with a list where it was asked for one thing; is it a Redis server?");
  }
  if (line.front() != '$') return {};
  std::uint64_t announced = 0;
  for (const char c : line.substr(1)) {
    if (c < '0' || c > '9') return {};  // -1, and what the reader will refuse
    announced = announced * 10 + static_cast<std::uint64_t>(c - '0');
    if (announced > max_bytes) return too_long(max_bytes);
  }
  return {};
}

// What hiredis makes of what has come, null where that is not a whole answer yet. What it has no
// use for is put back: between two answers it has nothing.
Result<RedisReply> RedisConnection::parse_come() {
  redisReader& reader = *context_->reader;
  const std::string_view text = inbox_.text();
  if (redisReaderFeed(&reader, text.data(), text.size()) != REDIS_OK) {
    return broken(Errc::out_of_memory, "there is no memory for its answer");
  }
  inbox_.take(text.size());
  void* reply = nullptr;
  if (redisGetReplyFromReader(context_.get(), &reply) != REDIS_OK) {
    return broken(Errc::io_error, "does not speak as Redis does; is the port right?");
  }
  if (reply != nullptr) {
    inbox_.put_back(reader.len - reader.pos);
    reader.pos = reader.len;
  }
  return RedisReply(static_cast<redisReply*>(reply));
}

// An answer in parts is kept by the reader until it is whole: all of it counts.
Result<RedisReply> RedisConnection::receive(std::uint64_t max_bytes, const Patience& patience,
                                            RedisAnswer kind) {
  constexpr std::uint64_t framing = 2 * RedisInbox::capacity_bytes;  // and what comes behind it
  LARDER_TRY(const std::string_view line, first_line(patience));
  LARDER_CHECK_OK(check_announced(line, kind, max_bytes));
  bound_.begin_reply();
  for (std::uint64_t come_bytes = 0;;) {
    come_bytes += inbox_.text().size();
    if (come_bytes > max_bytes + framing) return too_long(max_bytes);
    LARDER_TRY(RedisReply reply, parse_come());
    if (reply) return judge(std::move(reply));
    const auto came = inbox_.wait(patience);
    if (came != RedisInbox::Came::some) return broken(came);
  }
}

// hiredis would copy them twice more. What is no string of bytes is left to it.
Result<std::optional<ArtifactBuffer>> RedisConnection::receive_bytes(std::uint64_t max_bytes,
                                                                     const Patience& patience) {
  LARDER_TRY(const std::string_view line, first_line(patience));
  LARDER_CHECK_OK(check_announced(line, RedisAnswer::single, max_bytes));
  std::uint64_t announced = 0;
  const std::string_view number = without_end(line).substr(1);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), announced);
  const bool is_length = error == std::errc() && end == number.data() + number.size();
  if (line.front() != '$' || !is_length) {
    LARDER_TRY(const RedisReply reply, receive(max_bytes, patience));
    if (reply->type == REDIS_REPLY_NIL) return std::nullopt;
    return std::unexpected(Error{.code = Errc::io_error,
                                 .message = shown_ + ": answers with another kind of thing than it "
                                                     "was asked for; is it a Redis server?"});
  }
  inbox_.take(line.size());
  LARDER_TRY(ArtifactBuffer bytes, ArtifactBuffer::allocate(announced));
  char behind[line_end.size()];
  auto came = inbox_.fill(bytes.bytes(), patience);
  if (came == RedisInbox::Came::some) {
    came = inbox_.fill(std::as_writable_bytes(std::span(behind)), patience);
  }
  if (came != RedisInbox::Came::some) return broken(came);
  if (std::string_view(behind, sizeof behind) != line_end) {
    return broken(Errc::io_error, "does not speak as Redis does; is the port right?");
  }
  note_answered();
  return bytes;
}

// What nobody asked for would be taken for the next answer.
void RedisConnection::note_answered() noexcept {
  --expected_;
  redirection_.reset();
  if (expected_ == 0 && !inbox_.text().empty()) usable_ = false;
}

Result<RedisReply> RedisConnection::judge(RedisReply reply) {
  note_answered();
  if (reply->type != REDIS_REPLY_ERROR) return reply;
  redirection_ = parse_redirection({reply->str, reply->len});
  // Others are not repeated: a server may have put anything there that was sent to it.
  constexpr std::string_view told[] = {"ERR", "EXECABORT", "NOREPLICAS", "CROSSSLOT", "NOPROTO"};
  const std::string_view said(reply->str, reply->len);
  const auto meaning = std::ranges::find_if(
      meanings, [&](const ReplyMeaning& each) { return begins_with(said, each.beginning); });
  if (meaning == std::end(meanings)) {
    const std::string_view word = first_word(said);
    const bool is_told = std::ranges::find(told, word) != std::end(told);
    const std::string why = is_told ? " (" + std::string(word) + ")" : "";
    return std::unexpected(Error{
        .code = Errc::io_error,
        .message = shown_ + ": the server refused a command" + why + "; is it a Redis server?"});
  }
  // What moves is some of its slots.
  is_unready_ = meaning->code == Errc::unreachable && meaning->beginning != "TRYAGAIN";
  return std::unexpected(Error{.code = meaning->code,
                               .message = shown_ + ": the server " + std::string(meaning->advice)});
}

Result<RedisReply> RedisConnection::ask(Words words, std::uint64_t max_bytes,
                                        const Patience& patience, RedisAnswer kind) {
  const std::string command = command_of(words, 0);
  LARDER_CHECK_OK(send(command, 1, patience));
  return receive(max_bytes, patience, kind);
}

std::unique_ptr<RedisConnection> take_open(Pool<RedisConnection>& idle) {
  auto connection = idle.take();
  while (connection && !connection->is_still_open()) connection = idle.take();
  return connection;
}

}  // namespace larder::remote
