// Where LARDER_LOG writes to.
#include "os/log_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace larder {
namespace {

class LogFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "larder_log_").string() + std::string(6, 'X');
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return (directory_ / "log").string(); }

  std::string content() const {
    std::ifstream file(path());
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::filesystem::path directory_;
};

TEST_F(LogFile, AppendsOneLinePerMessage) {
  for (int i = 0; i < 2; ++i) {
    const auto log = open_log(path());
    ASSERT_TRUE(log.has_value()) << log.error().message;
    (*log)(LogLevel::warning, "the disk is full");
    (*log)(LogLevel::info, "hello");
  }
  EXPECT_EQ(content(),
            "larder: warning: the disk is full\nlarder: hello\n"
            "larder: warning: the disk is full\nlarder: hello\n");
}

TEST_F(LogFile, IsForItsOwnerAlone) {
  ASSERT_TRUE(open_log(path()).has_value());
  struct stat info{};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(LogFile, SaysWhatToDoWhenItCannotBeOpened) {
  const auto log = open_log(path() + "/beneath/a/file");
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, Errc::bad_config);
  EXPECT_EQ(log.error().os_error, ENOENT);
  EXPECT_NE(log.error().message.find("LARDER_LOG"), std::string::npos);
}

TEST_F(LogFile, APipeIsRefusedWithAndWithoutAReader) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  for (const int reader : {-1, ::open(path().c_str(), O_RDONLY | O_NONBLOCK)}) {
    const auto log = open_log(path());
    ASSERT_FALSE(log.has_value());
    EXPECT_EQ(log.error().code, Errc::bad_config);
    EXPECT_NE(log.error().message.find("neither a regular file"), std::string::npos);
    if (reader >= 0) ::close(reader);
  }
}

TEST_F(LogFile, ADeviceIsATarget) { EXPECT_TRUE(open_log("/dev/null").has_value()); }

// In a process of its own: what goes wrong here is the end of it.
TEST_F(LogFile, AReaderOfStandardErrorThatLeftDoesNotEndTheHost) {
  const auto host = [] {
    int ends[2];
    if (::pipe(ends) != 0) ::_exit(1);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    (*open_log("stderr"))(LogLevel::warning, "nobody reads this");
    sigset_t pending;
    ::sigpending(&pending);
    ::_exit(::sigismember(&pending, SIGPIPE));
  };
  EXPECT_EXIT(host(), testing::ExitedWithCode(0), "");
}

TEST_F(LogFile, AFileSizeLimitDoesNotEndTheHost) {
  const auto host = [&] {
    const rlimit none = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
    if (::setrlimit(RLIMIT_FSIZE, &none) != 0) ::_exit(1);
    (*open_log(path()))(LogLevel::warning, "does not fit");
    ::_exit(0);
  };
  EXPECT_EXIT(host(), testing::ExitedWithCode(0), "");
}

// A signal of somebody else that was pending before is still there afterwards.
TEST_F(LogFile, ForeignSignalsStayPending) {
  const auto host = [&] {
    sigset_t pipe_signal;
    ::sigemptyset(&pipe_signal);
    ::sigaddset(&pipe_signal, SIGPIPE);
    ::sigprocmask(SIG_BLOCK, &pipe_signal, nullptr);
    ::raise(SIGPIPE);
    (*open_log(path()))(LogLevel::warning, "x");
    sigset_t pending;
    ::sigpending(&pending);
    ::_exit(::sigismember(&pending, SIGPIPE) == 1 ? 0 : 1);
  };
  EXPECT_EXIT(host(), testing::ExitedWithCode(0), "");
}

TEST_F(LogFile, StandardErrorIsATarget) {
  testing::internal::CaptureStderr();
  const auto log = open_log("stderr");
  ASSERT_TRUE(log.has_value());
  (*log)(LogLevel::debug, "detail");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "larder: debug: detail\n");
}

}  // namespace
}  // namespace larder
