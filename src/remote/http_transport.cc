#include "remote/http_transport.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/try.h"
#include "remote/pool.h"
#include "remote/s3_listing.h"
#include "remote/webdav_listing.h"
#include "remote/xml_scan.h"

namespace larder::remote {
namespace {

constexpr std::uint64_t largest_listing = 16ull << 20;  // of one collection

// What a status is when it is no success. 404 and 410 are the caller's to judge.
struct StatusMeaning {
  long status;
  Errc code;
  const char* what;
};
constexpr StatusMeaning meanings[] = {
    {401, Errc::permission_denied, "wants to know who asks; see @password-file and the others"},
    {403, Errc::permission_denied, "does not let us do that; use `read-only`, or other rights"},
    {405, Errc::permission_denied, "takes no such request; use `read-only`"},
    {408, Errc::unreachable, "is overloaded; try again"},
    {409, Errc::unsupported, "has no such folder; use webdav:// in place of http://"},
    {413, Errc::too_large, "does not take so much; raise its limit, or lower max-entry-size"},
    {429, Errc::unreachable, "is overloaded; try again"},
    {500, Errc::io_error, "failed; look at its log"},
    {501, Errc::unsupported, "has no such operation; use `read-only`"},
    {502, Errc::unreachable, "is a gateway whose server is down"},
    {503, Errc::unreachable, "does not serve now; try again"},
    {504, Errc::unreachable, "is a gateway whose server is down"},
    {507, Errc::no_space, "is full; free some space there"},
};

// What 409 is where folders are made: one further up is missing.
constexpr const char* lacks_parent =
    "lacks a folder that the URL's last one is in; make it there, or mend the URL";

constexpr bool is_success(long status) noexcept { return status >= 200 && status < 300; }
// What servers say to a PUT into a folder that is not there: 409 by the book, nginx 500.
constexpr bool may_lack_folder(long status) noexcept {
  return status == 403 || status == 404 || status == 409 || status == 500;
}
// In the order in which is_as_demanded looks at them.
constexpr const char* vyre_headers[] = {"x-vyre-cache-fingerprint",
                                        "x-vyre-cache-source-provenance",
                                        "x-vyre-cache-device-compatibility"};

// "a/b/<hex>.bin" is of the fingerprint <hex>.
constexpr std::string_view stem_of(std::string_view name) noexcept {
  name.remove_prefix(name.rfind('/') + 1);
  return name.substr(0, name.find('.'));
}

constexpr bool is_absent(long status) noexcept { return status == 404 || status == 410; }

class HttpTransport final : public Transport {
 public:
  HttpTransport(HttpEndpoint endpoint, Dialect dialect)
      : endpoint_(std::move(endpoint)), dialect_(dialect) {}

  Result<std::optional<ArtifactBuffer>> get(std::string_view name, std::uint64_t max_bytes,
                                            const Patience& patience) override;
  std::vector<Result<std::optional<ArtifactBuffer>>> get_many(std::span<const std::string> names,
                                                              std::uint64_t max_bytes,
                                                              const Patience& patience) override;
  Result<void> put(std::string_view name, Pieces pieces, const Patience& patience) override;
  Result<std::optional<std::uint64_t>> size(std::string_view name,
                                            const Patience& patience) override;
  Result<bool> remove(std::string_view name, const Patience& patience) override;
  Result<void> can_list() const override;
  Listed list(std::string_view prefix, const ObjectVisitor& visitor,
              const Patience& patience) override;
  Result<std::optional<std::int64_t>> time_s(const Patience& patience) override;

 private:
  std::string url_of(std::string_view name) const {
    return endpoint_.base + "/" + std::string(name);
  }

  std::vector<Result<HttpAnswer>> perform_all(std::span<const HttpRequest> requests,
                                              const Patience& patience) {
    auto session = idle_.take();
    if (!session) session = HttpSession::make(endpoint_);
    auto answers = session->perform_all(requests, patience);
    idle_.give_back(std::move(session));  // libcurl closes what is not fit to be used again
    return answers;
  }

  Result<HttpAnswer> perform(const HttpRequest& request, const Patience& patience) {
    return std::move(perform_all({&request, 1}, patience).front());
  }

  HttpRequest question(std::string_view name, std::uint64_t max_bytes) const {
    HttpRequest request{.url = url_of(name), .max_answer_bytes = max_bytes};
    if (dialect_ == Dialect::vyre) request.wanted_headers = vyre_headers;
    return request;
  }
  Result<std::optional<ArtifactBuffer>> to_object(std::string_view name,
                                                  Result<HttpAnswer> answer) const;
  bool is_as_demanded(std::string_view name, const HttpAnswer& answer) const;

  std::unexpected<Error> refused(long status) const;
  std::unexpected<Error> lists_in_part() const;
  Result<std::optional<long>> make_collections(std::string_view name, const Patience& patience);
  Result<std::vector<Member>> members_of(const std::string& collection, const Patience& patience);
  Result<Visit> list_below(const std::string& collection, int depth, const ObjectVisitor& visitor,
                           const Patience& patience);

  Result<void> list_keys(std::string_view prefix, const ObjectVisitor& visitor,
                         const Patience& patience);

  const HttpEndpoint endpoint_;
  const Dialect dialect_;
  Pool<HttpSession> idle_;
};

std::unexpected<Error> HttpTransport::refused(long status) const {
  if (status == 401 && !(endpoint_.password.empty() && endpoint_.bearer_token.empty())) {
    return std::unexpected(Error{.code = Errc::permission_denied,
                                 .message = endpoint_.shown +
                                            ": the server does not accept this user and secret; "
                                            "mend them (status 401)"});
  }
  const auto meaning = std::ranges::find(meanings, status, &StatusMeaning::status);
  const bool known = meaning != std::end(meanings);
  const char* what = known ? meaning->what : "gives an answer of no use here; is the URL right?";
  if (status == 409 && dialect_ == Dialect::webdav) what = lacks_parent;
  return std::unexpected(Error{.code = known ? meaning->code : Errc::io_error,
                               .message = endpoint_.shown + ": the server " + what + " (status " +
                                          std::to_string(status) + ")"});
}

std::unexpected<Error> HttpTransport::lists_in_part() const {
  return std::unexpected(Error{.code = Errc::io_error,
                               .message = endpoint_.shown +
                                          ": the listing does not come to its end; is the URL "
                                          "right? Look at the server, or at what stands before "
                                          "it"});
}

bool HttpTransport::is_as_demanded(std::string_view name, const HttpAnswer& answer) const {
  if (dialect_ != Dialect::vyre) return true;
  const std::string_view demanded[] = {stem_of(name), endpoint_.source_provenance,
                                       endpoint_.device_compatibility};
  return std::ranges::equal(answer.headers, demanded);
}

Result<std::optional<ArtifactBuffer>> HttpTransport::to_object(std::string_view name,
                                                               Result<HttpAnswer> answer) const {
  if (!answer) return std::unexpected(std::move(answer).error());
  if (is_absent(answer->status)) return std::nullopt;
  // 206 and the like would be a part, and 204 nothing at all.
  if (answer->status != 200) return refused(answer->status);
  if (!is_as_demanded(name, *answer)) {
    return std::unexpected(Error{.code = Errc::not_ours,
                                 .message = endpoint_.shown + ": " + std::string(name) +
                                            " is not said to be for the fingerprint, source and "
                                            "device that were demanded; compile"});
  }
  return std::move(answer->body);
}

Result<std::optional<ArtifactBuffer>> HttpTransport::get(std::string_view name,
                                                         std::uint64_t max_bytes,
                                                         const Patience& patience) {
  return to_object(name, perform(question(name, max_bytes), patience));
}

std::vector<Result<std::optional<ArtifactBuffer>>> HttpTransport::get_many(
    std::span<const std::string> names, std::uint64_t max_bytes, const Patience& patience) {
  std::vector<HttpRequest> requests;
  for (const std::string& name : names) requests.push_back(question(name, max_bytes));
  std::vector<Result<std::optional<ArtifactBuffer>>> objects;
  auto answers = perform_all(requests, patience);
  for (std::size_t i = 0; i < names.size(); ++i) {
    objects.push_back(to_object(names[i], std::move(answers[i])));
  }
  return objects;
}

Result<void> HttpTransport::put(std::string_view name, Pieces pieces, const Patience& patience) {
  const HttpRequest request{
      .method = "PUT", .url = url_of(name), .body = pieces, .answer_body = Body::passed_over};
  LARDER_TRY(HttpAnswer answer, perform(request, patience));
  if (dialect_ == Dialect::webdav && may_lack_folder(answer.status)) {
    LARDER_TRY(const auto refusal, make_collections(name, patience));
    LARDER_TRY(answer, perform(request, patience));
    if (refusal && may_lack_folder(answer.status)) return refused(*refusal);
  }
  if (!is_success(answer.status)) return refused(answer.status);
  return {};
}

// The tier's own folder too; 405 says that there is one already. So may a refusal: who made it in
// the same moment has Apache answer 403. Returned is the last one, for when there is no folder
// after all.
Result<std::optional<long>> HttpTransport::make_collections(std::string_view name,
                                                            const Patience& patience) {
  std::optional<long> refusal;
  for (std::size_t slash = 0; slash != std::string_view::npos; slash = name.find('/', slash + 1)) {
    const std::string_view folder = name.substr(0, slash);
    const std::string url = endpoint_.base + "/" + std::string(folder) + (slash == 0 ? "" : "/");
    LARDER_TRY(
        const HttpAnswer answer,
        perform({.method = "MKCOL", .url = url, .answer_body = Body::passed_over}, patience));
    const bool is_there = is_success(answer.status) || answer.status == 405;
    if (!is_there && slash != 0) refusal = answer.status;
  }
  return refusal;
}

Result<std::optional<std::uint64_t>> HttpTransport::size(std::string_view name,
                                                         const Patience& patience) {
  LARDER_TRY(const HttpAnswer answer, perform({.method = "HEAD", .url = url_of(name)}, patience));
  if (is_absent(answer.status)) return std::nullopt;
  if (!is_success(answer.status)) return refused(answer.status);
  return answer.content_length.value_or(0);  // 0: there, but nobody says how long
}

// Whatever else the answer says, it has a date.
Result<std::optional<std::int64_t>> HttpTransport::time_s(const Patience& patience) {
  static constexpr const char* wanted[] = {"date"};
  LARDER_TRY(const HttpAnswer answer,
             perform({.method = "HEAD", .url = url_of(""), .wanted_headers = wanted}, patience));
  return parse_http_date(answer.headers.front());
}

Result<bool> HttpTransport::remove(std::string_view name, const Patience& patience) {
  if (dialect_ == Dialect::s3) {
    LARDER_TRY(const auto there, size(name, patience));
    if (!there) return false;
  }
  LARDER_TRY(const HttpAnswer answer,
             perform({.method = "DELETE", .url = url_of(name), .answer_body = Body::passed_over},
                     patience));
  if (is_absent(answer.status)) return false;
  if (!is_success(answer.status)) return refused(answer.status);
  return true;
}

Result<std::vector<Member>> HttpTransport::members_of(const std::string& collection,
                                                      const Patience& patience) {
  const std::string url = url_of(collection);
  const std::span<const std::byte> question =
      std::as_bytes(std::span(propfind_question.data(), propfind_question.size()));
  LARDER_TRY(HttpAnswer answer, perform({.method = "PROPFIND",
                                         .url = url,
                                         .headers = {"Depth: 1", "Content-Type: application/xml"},
                                         .body = Pieces(&question, 1),
                                         .max_answer_bytes = largest_listing},
                                        patience));
  if (is_absent(answer.status)) return std::vector<Member>();
  if (answer.status == 405 || answer.status == 501) {
    return std::unexpected(Error{.code = Errc::unsupported,
                                 .message = endpoint_.shown +
                                            ": the server cannot list; switch PROPFIND on there, "
                                            "or name the entries with `larder prewarm` (status " +
                                            std::to_string(answer.status) + ")"});
  }
  if (answer.status != 207) return refused(answer.status);
  const auto bytes = answer.body->bytes();
  const std::string_view xml(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!is_whole(xml, "multistatus")) return lists_in_part();
  return parse_multistatus(xml, std::string_view(url).substr(url.find('/', url.find("://") + 3)));
}

// A server could otherwise lead us round in circles.
constexpr int deepest = 3;

Result<Visit> HttpTransport::list_below(const std::string& collection, int depth,
                                        const ObjectVisitor& visitor, const Patience& patience) {
  LARDER_TRY(const auto members, members_of(collection, patience));
  for (const Member& member : members) {
    const std::string name = collection + member.name;
    Visit next = Visit::go_on;
    if (!member.is_collection) {
      next = visitor({name, member.bytes});
    } else if (depth < deepest) {
      LARDER_TRY(next, list_below(name + "/", depth + 1, visitor, patience));
    }
    if (next == Visit::stop) return next;
  }
  return Visit::go_on;
}

Result<void> HttpTransport::list_keys(std::string_view prefix, const ObjectVisitor& visitor,
                                      const Patience& patience) {
  const std::string wanted = endpoint_.key_prefix + std::string(prefix);
  S3Page page;
  do {
    LARDER_TRY(HttpAnswer answer,
               perform({.url = endpoint_.bucket_url + s3_query(wanted, page.next),
                        .max_answer_bytes = largest_listing},
                       patience));
    if (answer.status != 200) return refused(answer.status);
    const auto bytes = answer.body->bytes();
    const std::string_view xml(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!is_whole(xml, "ListBucketResult")) return lists_in_part();
    page = parse_s3_page(xml);
    for (const S3Page::Object& object : page.objects) {
      if (!object.key.starts_with(wanted)) continue;
      const std::string_view name =
          std::string_view(object.key).substr(endpoint_.key_prefix.size());
      if (visitor({name, object.bytes}) == Visit::stop) return {};
    }
    if (page.is_truncated && page.next.empty()) return lists_in_part();
  } while (page.is_truncated);
  return {};
}

Result<void> HttpTransport::can_list() const {
  if (dialect_ != Dialect::http && dialect_ != Dialect::vyre) return {};
  return std::unexpected(Error{.code = Errc::unsupported,
                               .message = endpoint_.shown +
                                          ": plain HTTP has no listing; use webdav:// where the "
                                          "server speaks it, or name the entries with `larder "
                                          "prewarm`"});
}

Listed HttpTransport::list(std::string_view prefix, const ObjectVisitor& visitor,
                           const Patience& patience) {
  LARDER_CHECK_OK(can_list());
  if (dialect_ == Dialect::s3) {
    LARDER_CHECK_OK(list_keys(prefix, visitor, patience));
    return {};
  }
  const std::string collection(prefix.substr(0, prefix.rfind('/') + 1));
  const auto of_prefix = [&](const Object& object) {
    return object.name.starts_with(prefix) ? visitor(object) : Visit::go_on;
  };
  LARDER_TRY(const Visit last, list_below(collection, 1, of_prefix, patience));
  (void)last;
  return {};
}

}  // namespace

std::unique_ptr<Transport> make_http_transport(const HttpEndpoint& endpoint, Dialect dialect) {
  return std::make_unique<HttpTransport>(endpoint, dialect);
}

}  // namespace larder::remote
