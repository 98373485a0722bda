// page.client.js runs in the browser; here it is text.
declare const text: string;
export default text;
