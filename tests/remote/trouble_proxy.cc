#include "tests/remote/trouble_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <thread>

namespace larder {
namespace {

int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return socket;
  }
  ::close(socket);
  return -1;
}

// What can be read now; nothing at the end.
std::string read_from(int socket) {
  std::string bytes(64 * 1024, '\0');
  const ssize_t count = ::recv(socket, bytes.data(), bytes.size(), 0);
  bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return bytes;
}

bool write_to(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

TroubleProxy::TroubleProxy(std::uint16_t server_port)
    : server_port_(server_port),
      proxy_([this](Peer& client) { relay(client); }, Serves::all_at_once) {}

void TroubleProxy::make(OnTheWay trouble, std::uint64_t after_bytes) {
  let_through_ = after_bytes;
  trouble_ = trouble;
}

// False: the connection is to be closed.
bool TroubleProxy::pass_back(Peer& client, std::string_view bytes) const {
  if (trouble_ == OnTheWay::nothing) return client.say(bytes);
  const std::uint64_t passes = std::min<std::uint64_t>(let_through_, bytes.size());
  let_through_ -= passes;
  if (!client.say(bytes.substr(0, passes))) return false;
  bytes.remove_prefix(passes);
  if (bytes.empty()) return true;
  if (trouble_ == OnTheWay::cut) return false;
  if (trouble_ == OnTheWay::silence) {
    client.hang();
    return false;
  }
  for (const char byte : bytes) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (!client.say(std::string_view(&byte, 1))) return false;
  }
  return true;
}

void TroubleProxy::relay(Peer& client) const {
  const int server = connect_to(server_port_);
  bool goes_on = server >= 0;
  while (goes_on && !client.ends()) {
    std::array<pollfd, 2> watched = {pollfd{.fd = client.socket(), .events = POLLIN, .revents = 0},
                                     pollfd{.fd = server, .events = POLLIN, .revents = 0}};
    if (::poll(watched.data(), watched.size(), 10) <= 0) continue;
    if (watched[0].revents != 0) {
      const std::string bytes = client.read();
      goes_on = !bytes.empty() && write_to(server, bytes);
    }
    if (goes_on && watched[1].revents != 0) {
      const std::string bytes = read_from(server);
      goes_on = !bytes.empty() && pass_back(client, bytes);
    }
  }
  if (server >= 0) ::close(server);
}

}  // namespace larder
