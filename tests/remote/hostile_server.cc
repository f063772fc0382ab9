#include "tests/remote/hostile_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace larder {
namespace {

constexpr int tick_ms = 10;

bool is_ready(int socket, short events) {
  pollfd watched{.fd = socket, .events = events, .revents = 0};
  return ::poll(&watched, 1, tick_ms) > 0;
}

}  // namespace

std::string Peer::read() {
  while (!ends_) {
    if (!is_ready(socket_, POLLIN)) continue;
    std::string bytes(64 * 1024, '\0');
    const ssize_t count = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
  }
  return {};
}

bool Peer::say(std::string_view text) {
  while (!text.empty() && !ends_) {
    if (!is_ready(socket_, POLLOUT)) continue;
    const ssize_t count = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return !ends_;
}

void Peer::hang() {
  while (!ends_) ::usleep(tick_ms * 1000);
}

HostileServer::HostileServer(std::function<void(Peer&)> serve, Serves serves)
    : serve_(std::move(serve)), serves_(serves) {
  socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto* where = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(socket_, where, bytes), 0);
  EXPECT_EQ(::listen(socket_, 64), 0);
  EXPECT_EQ(::getsockname(socket_, where, &bytes), 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this] { run(); });
}

HostileServer::~HostileServer() {
  ends_ = true;
  thread_.join();
  peers_.clear();
  ::close(socket_);
}

void HostileServer::serve(int client) {
  Peer peer(client, ends_);
  serve_(peer);
  ::close(client);
}

void HostileServer::run() {
  while (!ends_) {
    if (!is_ready(socket_, POLLIN)) continue;
    const int client = ::accept(socket_, nullptr, nullptr);
    if (client < 0) continue;
    ++connections_;
    if (serves_ == Serves::one_at_a_time) {
      serve(client);
    } else {
      peers_.emplace_back([this, client] { serve(client); });
    }
  }
}

}  // namespace larder
