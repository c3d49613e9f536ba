/* See work_config.h; option.def says which options are LIVE. */
#include "work_config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../base/err.h"
#include "../base/guard.h"
#include "../base/log.h"
#include "../base/own.h"
#include "../base/redis_url.h"
#include "../events/webhook_sign.h"
#include "cmd.h"
#include "fetch_urls.h"

static int check_redis(const struct config *c, struct err *e)
{
    struct redis_url url = {0};
    int rc = redis_url_parse(c->redis_url, &url, e);
    redis_url_done(&url);
    return rc;
}

static int check_store(const struct config *c, struct err *e)
{
    if (c->store_dir && c->s3_bucket)
        return err_set(e, -1, FAULT_HOST,
                       "store_dir and s3_bucket are both set: outputs go to one of them");
    if (!c->store_dir && !c->s3_bucket)
        return err_set(e, -1, FAULT_HOST,
                       "no place for the outputs: set s3_bucket (and its keys) or store_dir");
    return 0;
}

/* The courier is the one to use them; a wrong value stops the start all the same. */
static int check_webhooks(const struct config *c, struct err *e)
{
    struct webhook_secrets secrets;
    struct guard guard;
    int rc = webhook_secrets_parse(c->webhook_secret, &secrets, e);
    if (!rc)
        rc = guard_init(&guard, c->guard_allow, c->allow_http, e);
    if (!rc && c->webhook_ca_file && *c->webhook_ca_file && access(c->webhook_ca_file, R_OK))
        rc = err_errno(e, -errno, FAULT_HOST, "webhook_ca_file: read \"%s\"", c->webhook_ca_file);
    webhook_secrets_wipe(&secrets);
    return rc;
}

int work_config_check(const struct config *c, struct err *e)
{
    int rc = check_redis(c, e);
    if (!rc)
        rc = check_store(c, e);
    if (!rc)
        rc = fetch_urls_check(c, e);
    return rc ? rc : check_webhooks(c, e);
}

static char **copy_pointers(int argc, char **argv)
{
    char **copy = own_calloc((size_t)argc + 1, sizeof *copy);
    for (int i = 0; i < argc; i++)
        copy[i] = argv[i];
    return copy;
}

bool work_config_begin(struct work_config *w, const struct args *args, int argc, char **argv,
                       int *ret_exit)
{
    *w = (struct work_config){.argc = argc, .argv = copy_pointers(argc, argv)};
    bool go_on = cmd_begin(&w->config, args, argc, argv, ret_exit);
    if (!go_on)
        free(steal_ptr(&w->argv));
    return go_on;
}

void work_config_done(struct work_config *w)
{
    config_done(&w->config);
    free(w->argv);
}

static int read_again(const struct work_config *w, struct config *ret, struct err *e)
{
    int argc = w->argc;
    own_free char **argv = copy_pointers(w->argc, w->argv);
    int rc = config_load(ret, &argc, argv, e);
    return rc ? rc : work_config_check(ret, e);
}

bool work_config_reload(struct work_config *w)
{
    struct err e = ERR_INIT;
    struct config fresh = {0};
    if (read_again(w, &fresh, &e)) {
        log_at(LOG_ERROR, "reload: the configuration stays as it was: %s", e.text);
        config_done(&fresh);
        return false;
    }
    if (!fresh.worker_name && w->config.worker_name)
        fresh.worker_name = own_strdup(w->config.worker_name); /* the one it made */
    own_free char *taken = NULL;
    own_free char *fixed = NULL;
    config_adopt(&w->config, &fresh, &taken, &fixed);
    config_done(&fresh);
    cmd_log(&w->config);
    if (*fixed)
        log_at(LOG_WARN, "reload: these changes need a restart: %s", fixed);
    log_at(LOG_INFO, *taken ? "reload: changed from now on: %s" : "reload: nothing to change%s",
           taken);
    return *taken;
}
