// Real servers for tests: each is a child process with a directory of its own, ended by its number.
#ifndef LARDER_TESTS_REMOTE_SERVER_H_
#define LARDER_TESTS_REMOTE_SERVER_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace larder {

// A directory that goes with its owner.
class ServerDirectory {
 public:
  ServerDirectory();
  ServerDirectory(const ServerDirectory&) = delete;
  ServerDirectory& operator=(const ServerDirectory&) = delete;
  ~ServerDirectory() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& text,
                              std::filesystem::perms mode) const;

 private:
  std::filesystem::path path_;
};

// A program that runs until its owner goes. Its output is in `directory`/output.
class ServerProcess {
 public:
  ServerProcess(const std::vector<std::string>& command, const std::filesystem::path& directory);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() { end(); }

  void end();
  void freeze() const;  // from its return on it keeps its connections and answers nothing
  void thaw() const;

  // Within ten seconds, or false.
  static bool comes_up(const std::function<bool()>& is_up);

 private:
  pid_t process_ = -1;
};

// The exit status of a program that ends by itself; its output is in `directory`/output.
int run_program(const std::vector<std::string>& command, const std::filesystem::path& directory);

// A port of 127.0.0.1 that was free a moment ago.
std::uint16_t free_port();
bool accepts_at(std::uint16_t port);
bool accepts_at(const std::filesystem::path& socket);

// Whether there is this program. Where there is not, says SKIPPED, and fails the test when the
// variable LARDER_TEST_REQUIRE names it.
bool has_program(const std::string& name);

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_SERVER_H_
