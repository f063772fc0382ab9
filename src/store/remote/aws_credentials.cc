#include "store/remote/aws_credentials.h"

#include "base/try.h"
#include "os/environment.h"
#include "store/remote/secrets.h"

namespace larder {
namespace {

std::unexpected<Error> wrong(std::string what) {
  return std::unexpected(Error{.code = Errc::invalid_argument, .message = std::move(what)});
}

std::unexpected<Error> no_keys(const std::string& detail) {
  return wrong(
      "there are no keys for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file "
      "with @credentials-file=PATH (" +
      detail + ")");
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  const std::size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

void read_line(std::string_view line, AwsCredentials& credentials) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return;
  const std::string_view name = trim(line.substr(0, equals));
  const std::string value(trim(line.substr(equals + 1)));
  if (name == "aws_access_key_id") credentials.access_key = value;
  if (name == "aws_secret_access_key") credentials.secret_key = value;
  if (name == "aws_session_token") credentials.session_token = value;
}

Result<AwsCredentials> read_credentials(FileSystem& file_system, const std::string& path,
                                        const std::string& profile) {
  LARDER_TRY(const std::string text, read_private_file(file_system, path));
  auto credentials = parse_aws_credentials(text, profile);
  if (!credentials)
    return wrong(path + ": has no keys of the profile [" + profile +
                 "]; add aws_access_key_id and aws_secret_access_key to it");
  return *std::move(credentials);
}

}  // namespace

// Where an empty one counts as absent, as it does for Amazon's own programs.
std::optional<std::string> aws_variable(const char* name) {
  auto value = environment_variable(name);
  if (value && value->empty()) value.reset();
  return value;
}

std::optional<AwsCredentials> parse_aws_credentials(std::string_view text,
                                                    std::string_view profile) {
  AwsCredentials credentials;
  bool is_ours = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    if (line.starts_with('[')) {
      is_ours = line == "[" + std::string(profile) + "]";
    } else if (is_ours && !line.starts_with('#')) {
      read_line(line, credentials);
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  if (credentials.access_key.empty() || credentials.secret_key.empty()) return std::nullopt;
  return credentials;
}

Result<AwsCredentials> find_aws_credentials(FileSystem& file_system, const AwsSource& source) {
  const std::string profile =
      source.profile.value_or(aws_variable("AWS_PROFILE").value_or("default"));
  if (source.file) return read_credentials(file_system, *source.file, profile);
  const auto access = aws_variable("AWS_ACCESS_KEY_ID");
  const auto secret = aws_variable("AWS_SECRET_ACCESS_KEY");
  if (access && secret && !source.profile) {
    return AwsCredentials{*access, *secret, aws_variable("AWS_SESSION_TOKEN").value_or("")};
  }
  auto path = aws_variable("AWS_SHARED_CREDENTIALS_FILE");
  if (!path) {
    const auto home = environment_variable("HOME");
    if (!home) return no_keys("HOME is not set either");
    path = *home + "/.aws/credentials";
  }
  auto credentials = read_credentials(file_system, *path, profile);
  const bool is_refused = !credentials && credentials.error().code == Errc::permission_denied;
  if (credentials || is_refused || source.profile) return credentials;
  return no_keys(credentials.error().message);
}

}  // namespace larder
