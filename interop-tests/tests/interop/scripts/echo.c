/* Sends every message on its standard input, a socket, back with its descriptors. */

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 253 /* SCM_MAX_FD */

int main(void)
{
	for (;;) {
		char bytes[64];
		union {
			char space[CMSG_SPACE(MOST * sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
		struct msghdr message = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.space,
			.msg_controllen = sizeof(control.space),
		};
		struct cmsghdr *header;
		int fds[MOST];
		size_t count = 0;
		ssize_t length = recvmsg(0, &message, MSG_CMSG_CLOEXEC);

		if (length <= 0)
			return length < 0;
		if (message.msg_flags & MSG_CTRUNC)
			return 2;
		header = CMSG_FIRSTHDR(&message);
		if (header && header->cmsg_type == SCM_RIGHTS) {
			count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(header), count * sizeof(int));
		}

		/* The control buffer is as it came, but for what the kernel has cut off its length. */
		iov.iov_len = length;
		message.msg_flags = 0;
		if (!count)
			message.msg_control = NULL, message.msg_controllen = 0;
		if (sendmsg(0, &message, MSG_NOSIGNAL) != length)
			return 3;
		for (size_t i = 0; i < count; i++)
			close(fds[i]);
	}
}
