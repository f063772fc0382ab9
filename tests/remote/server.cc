#include "tests/remote/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

namespace larder {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool connects(int socket, const sockaddr* address, socklen_t bytes) {
  const bool connected = ::connect(socket, address, bytes) == 0;
  ::close(socket);
  return connected;
}

// In the child, between fork and exec.
[[noreturn]] void become(const std::vector<char*>& arguments, const std::string& output) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is killed leaves nothing running
  const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

pid_t start(const std::vector<std::string>& command, const std::filesystem::path& directory) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const std::string output = directory / "output";
  const pid_t process = ::fork();
  if (process == 0) become(arguments, output);
  EXPECT_GT(process, 0);
  return process;
}

}  // namespace

ServerDirectory::ServerDirectory() {
  std::string pattern = testing::TempDir() + "larder_server_" + std::string(6, 'X');
  path_ = mkdtemp(pattern.data()) == nullptr ? "" : pattern;
  EXPECT_FALSE(path_.empty());
}

std::filesystem::path ServerDirectory::write(const std::string& name, const std::string& text,
                                             std::filesystem::perms mode) const {
  const auto file = path_ / name;
  std::ofstream(file) << text;
  std::filesystem::permissions(file, mode);
  return file;
}

ServerProcess::ServerProcess(const std::vector<std::string>& command,
                             const std::filesystem::path& directory)
    : process_(start(command, directory)) {}

int run_program(const std::vector<std::string>& command, const std::filesystem::path& directory) {
  int status = -1;
  ::waitpid(start(command, directory), &status, 0);
  return status;
}

void ServerProcess::end() {
  if (process_ <= 0) return;
  thaw();
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

// A thread of its may be in the middle of something: until it has really stopped.
void ServerProcess::freeze() const {
  ::kill(process_, SIGSTOP);
  int status = 0;
  EXPECT_EQ(::waitpid(process_, &status, WUNTRACED), process_);
}
void ServerProcess::thaw() const { ::kill(process_, SIGCONT); }

bool ServerProcess::comes_up(const std::function<bool()>& is_up) {
  for (int i = 0; i < 1000; ++i) {
    if (is_up()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t bytes = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), bytes), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

bool accepts_at(std::uint16_t port) {
  const sockaddr_in address = loopback(port);
  return connects(::socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&address),
                  sizeof address);
}

bool accepts_at(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return connects(::socket(AF_UNIX, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&address),
                  sizeof address);
}

bool has_program(const std::string& name) {
  const char* path = ::getenv("PATH");
  std::istringstream folders(std::string(path == nullptr ? "" : path) + ":/usr/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  }
  const char* required = ::getenv("LARDER_TEST_REQUIRE");
  if (required != nullptr && std::string(required).find(name) != std::string::npos) {
    ADD_FAILURE() << name << " is not installed, and LARDER_TEST_REQUIRE names it";
  } else {
    std::cout << "SKIPPED " << name << ": it is not installed" << std::endl;
  }
  return false;
}

}  // namespace larder
