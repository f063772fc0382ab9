#include "os/host_addresses.h"

#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "os/posix_error.h"

namespace larder::os {
namespace {

using Addresses = std::vector<SocketAddress>;

struct FreeAddresses {
  void operator()(addrinfo* all) const noexcept { ::freeaddrinfo(all); }
};

enum class Hosts { numbers, names };

// Empty: there is none.
Addresses look_up(const std::string& host, std::uint16_t port, Hosts hosts) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV | (hosts == Hosts::numbers ? AI_NUMERICHOST : 0);
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  if (::getaddrinfo(host.c_str(), service.c_str(), &wanted, &found) != 0) return {};
  const std::unique_ptr<addrinfo, FreeAddresses> owned(found);
  Addresses all;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    SocketAddress address{.length = each->ai_addrlen};
    if (each->ai_addrlen > sizeof address.bytes) continue;
    std::memcpy(&address.bytes, each->ai_addr, each->ai_addrlen);
    all.push_back(address);
  }
  return all;
}

// Shared by who asks and the thread that looks: whoever goes last frees it.
struct Answer {
  std::mutex mutex;
  std::condition_variable_any come;
  std::optional<Addresses> addresses;
};

void start_look_up(const std::string& host, std::uint16_t port, std::shared_ptr<Answer> answer) {
  std::thread([host, port, answer = std::move(answer)]() noexcept {
    Addresses found;
    try {
      found = look_up(host, port, Hosts::names);
    } catch (...) {
      // Without memory the name has no address for us.
    }
    const std::scoped_lock lock(answer->mutex);
    answer->addresses = std::move(found);
    answer->come.notify_all();
  }).detach();
}

Result<std::optional<Addresses>> checked(Addresses found) {
  if (!found.empty()) return found;
  return std::unexpected(Error{.code = Errc::absent, .message = "the name has no address"});
}

}  // namespace

Result<std::optional<Addresses>> host_addresses(const std::string& host, std::uint16_t port,
                                                const WaitLimit& limit) {
  Addresses numbers = look_up(host, port, Hosts::numbers);
  if (!numbers.empty()) return numbers;
  const auto answer = std::make_shared<Answer>();
  try {
    start_look_up(host, port, answer);
  } catch (const std::system_error& thrown) {
    return failed(thrown.code().value(), "a thread for looking up a name");
  }
  std::unique_lock lock(answer->mutex);
  const bool has_come = answer->come.wait_until(lock, limit.stop, limit.deadline,
                                                [&] { return answer->addresses.has_value(); });
  if (!has_come) return std::nullopt;
  return checked(*std::move(answer->addresses));
}

}  // namespace larder::os
