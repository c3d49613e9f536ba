/* manimd whose stages obey: the production worker (every object of it), with
 * `manimd stage NAME DIR` replaced by a program that does what the job's code
 * says. The supervisor starts its own executable for a stage, so nothing in the
 * product had to learn of this one, and no option can bring it into production.
 *
 * It knows tests/fake_stage.py's words as far as the chaos suite needs them, and
 * is in C because a run starts twenty thousand of these:
 *
 *   # fake: sleep_ms 300     of the render stage; 50 when not said
 *   # fake: exit 1           of the render stage
 *   # fake: hang 1           the render stage ends only when it is killed
 *   # fake: deaf 1           … and does not heed SIGTERM
 *   # fake: signal 9         the render stage kills itself
 *   # fake: poison 1         the render stage kills its supervisor
 *   # fake: store_sleep_ms N of the store stage
 *   # fake: fail_first N     the first N attempts end with exit 3; counted by
 *   # fake: marks DIR        files in DIR */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/own.h"
#include "cmd/cmd.h"
#include "manimd.h"

#define TEXT_MAX (1024 * 1024)
#define VIDEO_BYTES 1000

int manimd_main(int argc, char **argv); /* main() of worker/main.c */

static const char *orders = "";

static long order(const char *name, long otherwise)
{
    own_free char *word = own_printf("# fake: %s ", name);
    const char *at = strstr(orders, word);
    return at ? strtol(at + strlen(word), NULL, 10) : otherwise;
}

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

static void report(const char *line)
{
    const char *fd = getenv("MANIMD_STAGE_REPORT_FD");
    if (fd)
        dprintf((int)strtol(fd, NULL, 10), "%s\n", line);
}

/* Is this one of the attempts that are to fail? */
static bool fails_first(const char *id)
{
    static const char word[] = "# fake: marks ";
    long count = order("fail_first", 0);
    const char *at = strstr(orders, word);
    for (long n = 0; at && n < count; n++) {
        const char *where = at + strlen(word);
        own_free char *mark = own_printf("%.*s/%s.%ld", (int)strcspn(where, "\n"), where, id, n);
        own_fd int fd = open(mark, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd >= 0)
            return true;
    }
    return false;
}

static int write_result(int dir, const char *name, const char *text)
{
    return file_write_atomic(dir, name, text, strlen(text), 0600, NULL);
}

static int render(int dir, const char *id)
{
    if (order("deaf", 0))
        signal(SIGTERM, SIG_IGN);
    report("{\"percent\":0}");
    if (order("poison", 0)) {
        kill(getppid(), SIGKILL);
        pause();
    }
    while (order("hang", 0))
        pause();
    sleep_ms(order("sleep_ms", 50) / 2);
    report("{\"percent\":50}");
    sleep_ms(order("sleep_ms", 50) / 2);
    if (order("signal", 0))
        raise((int)order("signal", 0));
    long code = fails_first(id) ? STAGE_HOST_FAULT : order("exit", STAGE_DONE);
    const char *outcome = code == STAGE_DONE        ? "completed"
                          : code == STAGE_JOB_FAULT ? "scene_error"
                                                    : "host_error";
    char video[VIDEO_BYTES];
    snprintf(video, sizeof video, "video of %s by %s", id, getenv("MANIMD_STAGE_NONCE"));
    if (mkdirat(dir, "out", 0700) && errno != EEXIST)
        return STAGE_HOST_FAULT;
    own_free char *text = own_printf(
        "{\"outcome\":\"%s\",\"error\":null,\"log_tail\":\"\",\"outputs\":[{\"kind\":\"mp4\","
        "\"name\":\"scene.mp4\",\"width\":16,\"height\":16,\"fps\":15,\"frames\":1,"
        "\"duration_s\":0.1}],\"frames\":1,\"frames_distinct\":1,\"timings_ms\":{\"start\":1,"
        "\"render\":1,\"encode\":1},\"peak_memory_bytes\":1,\"cpu_ms\":1,\"encoder_used\":"
        "\"none\",\"render_path\":\"exact\",\"sandbox\":{\"level\":\"none\",\"layers\":{}}}",
        outcome);
    if (file_write_atomic(dir, "out/scene.mp4", video, sizeof video, 0600, NULL) ||
        write_result(dir, "render.json", text))
        return STAGE_HOST_FAULT;
    return (int)code;
}

static int put(const char *key, const char *data, size_t bytes)
{
    const char *root = getenv("MANIMD_STORE_DIR");
    own_free char *path = own_printf("%s/%s", root ? root : "", key);
    for (char *slash = path + strlen(root ? root : "") + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (mkdir(path, 0700) && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return file_write_atomic(AT_FDCWD, path, data, bytes, 0600, NULL);
}

static int store(int dir, const char *id)
{
    own_buf struct buf video = BUF_INIT(VIDEO_BYTES);
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned length = 0;
    sleep_ms(order("store_sleep_ms", 0));
    if (file_read(dir, "out/scene.mp4", &video, NULL))
        return STAGE_HOST_FAULT;
    EVP_Digest(video.data, video.bytes, digest, &length, EVP_sha256(), NULL);
    for (unsigned i = 0; i < length; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    own_free char *key = own_printf("%s/%s/scene.mp4", id, getenv("MANIMD_STAGE_NONCE"));
    own_free char *text = own_printf(
        "{\"outcome\":\"completed\",\"error\":null,\"outputs\":[{\"kind\":\"mp4\",\"name\":"
        "\"scene.mp4\",\"key\":\"%s\",\"bytes\":%zu,\"sha256\":\"%s\"}],\"timings_ms\":"
        "{\"store\":1},\"requests\":1,\"retries\":0}",
        key, video.bytes, hex);
    if (put(key, video.data, video.bytes) || write_result(dir, "store.json", text))
        return STAGE_HOST_FAULT;
    return STAGE_DONE;
}

static int stage(const char *name, const char *path)
{
    own_fd int dir = file_open_dir(AT_FDCWD, path, NULL);
    own_buf struct buf text = BUF_INIT(TEXT_MAX);
    own_json cJSON *job = NULL;
    if (dir < 0 || file_read(dir, "job.json", &text, NULL) ||
        json_parse(text.data, text.bytes, FAULT_HOST, &job, NULL))
        return STAGE_HOST_FAULT;
    orders = json_str(job, "code");
    const char *id = json_str(job, "id");
    return strcmp(name, "render") ? store(dir, id) : render(dir, id);
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "stage"))
        return stage(argv[2], argv[3]);
    return manimd_main(argc, argv);
}
