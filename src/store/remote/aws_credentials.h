// Keys for S3, where other programs keep them too.
#ifndef LARDER_STORE_REMOTE_AWS_CREDENTIALS_H_
#define LARDER_STORE_REMOTE_AWS_CREDENTIALS_H_

#include <optional>
#include <string>
#include <string_view>

#include "larder/error.h"
#include "larder/file_system.h"

namespace larder {

struct AwsCredentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // may be empty
};

struct AwsSource {
  std::optional<std::string> file = {};  // a credentials file to read, and nothing else
  std::optional<std::string> profile = {};
};

// From `file`; else from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; else from
// AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, the profile given, or AWS_PROFILE, or
// "default". Errors as read_private_file, and invalid_argument when there are none.
Result<AwsCredentials> find_aws_credentials(FileSystem& file_system, const AwsSource& source);

// The profile's part of the text of a credentials file; nullopt when it has not both keys.
// A variable of Amazon's; nullopt when it is not set, or empty.
std::optional<std::string> aws_variable(const char* name);

std::optional<AwsCredentials> parse_aws_credentials(std::string_view text,
                                                    std::string_view profile);

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_AWS_CREDENTIALS_H_
