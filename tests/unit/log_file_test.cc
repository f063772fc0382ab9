// Where LARDER_LOG writes to.
#include "os/log_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

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

TEST_F(LogFile, StandardErrorIsATarget) {
  testing::internal::CaptureStderr();
  const auto log = open_log("stderr");
  ASSERT_TRUE(log.has_value());
  (*log)(LogLevel::debug, "detail");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "larder: debug: detail\n");
}

}  // namespace
}  // namespace larder
