/* file.c: ceilings, atomic writing, and what a stranger may put in our way. */
#include "../unit.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static int dir_fd; /* this test's own directory */

static int setup(void **state)
{
    char path[] = "test_file_XXXXXX";
    (void)state;
    if (!mkdtemp(path))
        return -1;
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = own_strdup(path);
    return dir_fd < 0;
}

static int teardown(void **state)
{
    close(dir_fd);
    int rc = file_remove_tree(AT_FDCWD, *state, NULL);
    free(*state);
    return rc;
}

static void put(const char *name, const char *text)
{
    assert_int_equal(file_write_atomic(dir_fd, name, text, strlen(text), 0644, NULL), 0);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    own_buf struct buf b = BUF_INIT(1 << 20);
    own_free char *large = own_calloc(1, 300000);
    struct stat st;
    memset(large, 'x', 299999);
    put("a", "old");
    mode_t mask = umask(077);
    put("a", large);
    umask(mask);
    assert_int_equal(file_read(dir_fd, "a", &b, NULL), 0);
    assert_string_equal(b.data, large);
    assert_int_equal(fstatat(dir_fd, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void reading_stops_at_the_ceiling(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    own_buf struct buf exact = BUF_INIT(10), less = BUF_INIT(9), none = BUF_INIT(9);
    put("b", "0123456789");
    assert_int_equal(file_read(dir_fd, "b", &exact, &e), 0);
    assert_string_equal(exact.data, "0123456789");
    assert_int_equal(file_read(dir_fd, "b", &less, &e), -EMSGSIZE);
    assert_string_equal(e.text, "read \"b\": larger than 9 bytes");
    assert_int_equal(file_read(dir_fd, "none", &none, &e), -ENOENT);
    assert_string_equal(e.text, "open \"none\": No such file or directory");
}

static void writing_over_a_directory_fails_and_cleans_up(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    own_fd int made = file_make_dir(dir_fd, "taken", 0755, NULL);
    assert_true(made >= 0);
    assert_int_equal(file_write_atomic(dir_fd, "taken", "x", 1, 0644, &e), -EISDIR);
    assert_contains(e.text, "write \"taken\": ");
    own_free char *temporary = own_printf("taken.%d.new", (int)getpid());
    assert_int_equal(faccessat(dir_fd, temporary, F_OK, 0), -1);
}

static void the_temporary_name_is_no_trap(void **state)
{
    (void)state;
    own_buf struct buf b = BUF_INIT(100);
    own_free char *temporary = own_printf("t.%d.new", (int)getpid());
    put("victim", "untouched");
    assert_int_equal(symlinkat("victim", dir_fd, temporary), 0);
    put("t", "new");
    assert_int_equal(file_read(dir_fd, "victim", &b, NULL), 0);
    assert_string_equal(b.data, "untouched");
}

static int open_it(const char *path, struct err *e)
{
    own_fd int fd = file_open_beneath(dir_fd, path, getuid(), 10, e);
    if (fd >= 0)
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    return fd < 0 ? fd : 0;
}

static void plain_files_are_opened_beneath(void **state)
{
    (void)state;
    own_fd int sub = file_make_dir(dir_fd, "sub", 0755, NULL);
    assert_true(sub >= 0);
    put("plain", "0123456789");
    put("sub/deep", "");
    assert_int_equal(open_it("plain", NULL), 0);
    assert_int_equal(open_it("sub/deep", NULL), 0);
}

static void tricks_are_refused(void **state)
{
    (void)state;
    own_fd int sub = file_make_dir(dir_fd, "sub", 0755, NULL);
    assert_true(sub >= 0);
    put("target", "x");
    put("large", "0123456789a");
    put("two", "x");
    assert_int_equal(linkat(dir_fd, "two", dir_fd, "names", 0), 0);
    assert_int_equal(symlinkat("target", dir_fd, "link"), 0);
    assert_int_equal(symlinkat("/etc", dir_fd, "etc"), 0);
    assert_int_equal(mkfifoat(dir_fd, "fifo", 0644), 0);
    const struct {
        const char *path;
        int rc;
        const char *words;
    } tricks[] = {
        {"link", -ELOOP, "open \"link\": "},
        {"etc/passwd", -ELOOP, ""},
        {"../target", -EXDEV, ""},
        {"/etc/passwd", -EXDEV, ""},
        {"/proc/self/fd/0", -EXDEV, ""},
        {"sub/../../x", -EXDEV, ""},
        {".", -EINVAL, "not a regular file"},
        {"fifo", -EINVAL, "not a regular file"}, /* and does not wait for a writer */
        {"large", -EFBIG, "11 bytes, more than 10"},
        {"two", -EMLINK, "another name elsewhere"},
        {"none", -ENOENT, "No such file"},
    };
    for (size_t i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++) {
        struct err e = ERR_INIT;
        assert_int_equal(open_it(tricks[i].path, &e), tricks[i].rc);
        assert_int_equal(e.fault, FAULT_JOB);
        assert_contains(e.text, tricks[i].words);
    }
    struct err e = ERR_INIT;
    assert_int_equal(file_open_beneath(dir_fd, "target", getuid() + 1, 10, &e), -EPERM);
    assert_contains(e.text, "it belongs to uid");
}

static void what_is_mounted_there_is_refused(void **state)
{
    (void)state;
    own_fd int root = file_open_dir(AT_FDCWD, "/", NULL);
    assert_int_equal(file_open_beneath(root, "proc/version", 0, 10, NULL), -EXDEV);
}

static void a_socket_is_refused(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    own_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", (char *)*state);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(open_it("socket", NULL), -ENXIO);
}

static void directories_have_their_mode_and_are_no_links(void **state)
{
    struct stat st;
    mode_t mask = umask(077);
    own_fd int made = file_make_dir(dir_fd, "d", 0711, NULL);
    umask(mask);
    assert_int_equal(fstat(made, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0711);
    own_fd int again = file_make_dir(dir_fd, "d", 0700, NULL);
    assert_int_equal(fstat(again, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0711); /* not ours to change */

    assert_int_equal(symlinkat("d", dir_fd, "to_d"), 0);
    assert_int_equal(file_open_dir(dir_fd, "to_d", NULL), -ENOTDIR);
    assert_int_equal(file_make_dir(dir_fd, "to_d", 0700, NULL), -ENOTDIR);
    own_free char *path = own_printf("%s/to_d", (char *)*state);
    own_fd int operators = file_open_dir(AT_FDCWD, path, NULL);
    assert_true(operators >= 0);
    put("f", "");
    assert_int_equal(file_make_dir(dir_fd, "f", 0700, NULL), -ENOTDIR);
}

static void sha256_is_that_of_the_standard(void **state)
{
    (void)state;
    char hex[65];
    int64_t bytes = -1;
    put("abc", "abc"); /* FIPS 180-2, appendix B.1 */
    own_fd int fd = openat(dir_fd, "abc", O_RDONLY | O_CLOEXEC);
    lseek(fd, 2, SEEK_SET);
    assert_int_equal(file_sha256(fd, hex, &bytes, NULL), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(bytes, 3);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 2);
}

/* A child reads slowly what is written to a non-blocking pipe: write_all must
 * wait for room and lose nothing. */
static void writing_waits_for_a_slow_reader(void **state)
{
    (void)state;
    int ends[2];
    const size_t bytes = 1 << 20;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    own_fd int in = ends[0], out = ends[1];
    pid_t pid = fork();
    if (pid == 0) {
        close(out);
        own_buf struct buf b = BUF_INIT(bytes);
        int rc = file_read_fd(in, &b, NULL);
        _exit(rc == 0 && b.bytes == bytes && b.data[bytes - 1] == 'y' ? 0 : 1);
    }
    own_free char *data = own_calloc(1, bytes);
    memset(data, 'y', bytes);
    assert_int_equal(fd_set_nonblock(out, 1), 0);
    assert_int_equal(file_write_all(out, data, bytes), 0);
    close(steal_fd(&out));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void flags_go_on_and_off(void **state)
{
    (void)state;
    own_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_set_cloexec(fd, 0), 0);
    assert_int_equal(fcntl(fd, F_GETFD), 0);
    assert_int_equal(fd_set_cloexec(fd, 1), 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fd_set_nonblock(fd, 1), 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(fd_set_nonblock(fd, 0), 0);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(fd_set_cloexec(-1, 1), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_stops_at_the_ceiling, setup, teardown),
        cmocka_unit_test_setup_teardown(writing_over_a_directory_fails_and_cleans_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_temporary_name_is_no_trap, setup, teardown),
        cmocka_unit_test_setup_teardown(plain_files_are_opened_beneath, setup, teardown),
        cmocka_unit_test_setup_teardown(tricks_are_refused, setup, teardown),
        cmocka_unit_test(what_is_mounted_there_is_refused),
        cmocka_unit_test_setup_teardown(a_socket_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(directories_have_their_mode_and_are_no_links, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sha256_is_that_of_the_standard, setup, teardown),
        cmocka_unit_test(writing_waits_for_a_slow_reader),
        cmocka_unit_test(flags_go_on_and_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
