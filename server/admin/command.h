/* The commands of legworkd: a table of names, help and functions. Each gets its arguments with
 * argv[0] = its own name and gives the exit status: 0 done, 1 refused or not found, 2 wrong usage.
 * The data directory (--data DIR, read before, or LEGWORK_DATA) is asked for through data.h. */
#ifndef SERVER_ADMIN_COMMAND_H
#define SERVER_ADMIN_COMMAND_H

int command_main(int argc, char **argv); /* legworkd itself */

int cmd_init(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_user_add(int argc, char **argv);
int cmd_user_list(int argc, char **argv);
int cmd_user_edit(int argc, char **argv);
int cmd_user_disable(int argc, char **argv);
int cmd_invite(int argc, char **argv);
int cmd_device_list(int argc, char **argv);
int cmd_device_revoke(int argc, char **argv);
int cmd_purge(int argc, char **argv);
int cmd_courier_import(int argc, char **argv);
int cmd_courier_list(int argc, char **argv);
int cmd_courier_release(int argc, char **argv);
int cmd_courier_discard(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_import_undo(int argc, char **argv);
int cmd_move(int argc, char **argv);
int cmd_book_list(int argc, char **argv);
int cmd_book_give(int argc, char **argv);
int cmd_erase(int argc, char **argv);
int cmd_query(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_undelete(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_quarantine_list(int argc, char **argv);
int cmd_quarantine_show(int argc, char **argv);
int cmd_quarantine_release(int argc, char **argv);
int cmd_quarantine_discard(int argc, char **argv);
int cmd_photos_check(int argc, char **argv);
int cmd_photos_sweep(int argc, char **argv);
int cmd_photos_backup(int argc, char **argv);
int cmd_verify(int argc, char **argv);

#endif
